package main

import (
	"embed"
	"io/fs"

	"deliver/remote"
)

// helpers is what deliver/build puts inside: deliver-host, for each processor
// that servers have.
//
//go:embed helpers
var helpers embed.FS

// helper gives each server its deliver-host. A deliver that was built without
// puts itself there, where it can run.
func helper() remote.Helper {
	files, err := fs.Sub(helpers, "helpers")
	if err != nil {
		return remote.Executable()
	}
	return remote.Embedded(files, remote.Executable())
}
