// Package plan decides in which order a fleet is switched and how much may
// fail; it touches nothing.
package plan
