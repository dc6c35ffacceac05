package config

// Script is the project's .deliver/config after it was evaluated.
type Script struct{}
