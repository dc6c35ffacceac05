// Package console makes of what a build writes what people read: lines with
// their numbers, colours, and the steps that they belong to. However many read a
// build's console, it is fetched once.
package console
