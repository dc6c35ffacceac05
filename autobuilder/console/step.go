package console

import (
	"strings"
	"time"
)

// Step is a step of a job, as its template's line "===== 10:00:01.250 NAME" says
// that it begins.
type Step struct {
	Name string
	Line int           // of the console, from 1
	At   time.Duration // since the midnight before, where the job runs
}

// doneStep is the name of the line after the last step.
const doneStep = "done"

// parseStep reads the line that begins a step.
func parseStep(line string) (Step, bool) {
	rest, ok := strings.CutPrefix(line, "===== ")
	if !ok {
		return Step{}, false
	}
	clock, name, _ := strings.Cut(strings.TrimRight(rest, " \r"), " ")
	at, err := time.Parse("15:04:05", clock)
	if err != nil || name == "" {
		return Step{}, false
	}
	return Step{Name: clean(name), At: at.Sub(at.Truncate(24 * time.Hour))}, true
}

// Took is a step with how long it took; Open says that it is not over.
type Took struct {
	Step
	Took time.Duration
	Open bool
}

// Times says how long each step took. The last one took what remains of the
// whole build; of a build that runs it is open.
func Times(steps []Step, whole time.Duration) []Took {
	var all []Took
	var sum time.Duration
	for i, step := range steps {
		if step.Name == doneStep {
			break
		}
		t := Took{Step: step}
		switch {
		case i+1 < len(steps):
			t.Took = (steps[i+1].At - step.At + 24*time.Hour) % (24 * time.Hour)
		case whole > 0:
			t.Took = max(0, whole-sum)
		default:
			t.Open = true
		}
		sum += t.Took
		all = append(all, t)
	}
	return all
}
