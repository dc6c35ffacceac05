// Package zoo delivers good and bad releases under real service managers, and
// counts how often deliver's verdict is wrong. All of it is tests; the app
// whose releases misbehave is in animal.
package zoo
