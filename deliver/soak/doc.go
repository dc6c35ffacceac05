// Package soak delivers again and again to servers behind HAProxy while
// requests go on, and counts those that fail. All of it is tests.
package soak
