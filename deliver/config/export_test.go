package config

// What tests of this package's insides need: the text that bash writes is
// outside input, too.
var (
	ParseReadback = parseReadback
	Quote         = quote
)
