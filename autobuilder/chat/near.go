package chat

import (
	"slices"
	"strings"

	"github.com/xrash/smetrics"
)

// alike is how near two words must be for one to be meant by the other.
const alike = 0.8

// nearest finds the name that somebody most likely meant.
func nearest(word string, names []string) (string, bool) {
	best, near := "", alike
	for _, name := range slices.Sorted(slices.Values(names)) {
		if score := smetrics.JaroWinkler(strings.ToLower(word), strings.ToLower(name), 0.7, 4); score > near {
			best, near = name, score
		}
	}
	return best, best != ""
}
