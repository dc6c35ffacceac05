// Package plan decides in which order a fleet is switched and how much may
// fail, and holds what is planned against what is found; it touches nothing.
package plan
