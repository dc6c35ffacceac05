// Package peers delivers the same builds to the same servers with deliver and
// with what people use else, and measures both. All of it is tests.
package peers
