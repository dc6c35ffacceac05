package web

import (
	"fmt"
	"slices"
	"time"

	"autobuilder/build"
)

// The plot's size, in its own units.
const (
	plotWidth  = 640
	plotHeight = 88
	plotFloor  = 4 // below the bars
)

// plot shows how long a project's builds took, oldest first.
type plot struct {
	Width, Height, Floor int
	Bars                 []bar
	Median, Longest      time.Duration
	MedianY              int
}

// bar is one build of a plot.
type bar struct {
	Build                build.Build
	X, Y, Width, Height  int
	Took                 time.Duration
	Tone, Version, Label string
}

// newPlot draws builds, which come newest first; nil if too few have ended.
func newPlot(builds []build.Build) *plot {
	var bars []bar
	var times []time.Duration
	for _, b := range slices.Backward(builds) {
		if b.Started.IsZero() || !b.Ended.After(b.Started) || b.Command != "" {
			continue
		}
		took := b.Ended.Sub(b.Started)
		times = append(times, took)
		bars = append(bars, bar{
			Build: b, Took: took, Tone: toneOf(b.State), Label: fmt.Sprintf("%s: %s, %s", versionOf(b), b.State, span(took)),
		})
	}
	if len(bars) < 3 {
		return nil
	}
	slices.Sort(times)
	p := &plot{Width: plotWidth, Height: plotHeight, Floor: plotHeight - plotFloor, Bars: bars, Median: times[len(times)/2], Longest: times[len(times)-1]}
	step := plotWidth / max(len(bars), 24)
	high := func(d time.Duration) int { return max(2, int(int64(p.Floor-4)*int64(d)/int64(p.Longest))) }
	for i := range p.Bars {
		b := &p.Bars[i]
		b.X, b.Width, b.Height = i*step, step-3, high(b.Took)
		b.Y = p.Floor - b.Height
	}
	p.MedianY = p.Floor - high(p.Median)
	return p
}
