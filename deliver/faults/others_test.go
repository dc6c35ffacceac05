package faults_test

// others are the rows whose tests stand for themselves.
func others() []row { return nil }
