// Package e2e drives the lab's demo, and checks from outside what came of it.
package e2e
