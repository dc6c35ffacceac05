package web

import (
	"cmp"
	"fmt"
	"html/template"
	"strings"
	"time"

	"autobuilder/build"
)

func (s *server) functions() template.FuncMap {
	return template.FuncMap{
		"short":    short,
		"took":     duration,
		"span":     span,
		"clock":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
		"stamp":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ago":      func(t time.Time) string { return ago(s.Now(), t) },
		"ref":      refName,
		"did":      did,
		"version":  versionOf,
		"first":    firstLine,
		"cut":      cut,
		"tone":     toneOf,
		"iconPath": iconPath,
		"bytes":    byteCount,
		"seconds":  func(s float64) string { return span(time.Duration(s * float64(time.Second))) },
	}
}

// short cuts an object name to what people read.
func short(commit string) string {
	if len(commit) > 9 {
		return commit[:9]
	}
	return commit
}

// duration says how long something took.
func duration(from, to time.Time) string {
	if from.IsZero() || to.IsZero() || to.Before(from) {
		return ""
	}
	return span(to.Sub(from))
}

// span is a length of time as people read it, with two figures at most.
func span(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d m %02d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %02d m", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}

// ago says how long it is since something.
func ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return ""
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	case d < 60*24*time.Hour:
		return fmt.Sprintf("%d d ago", int(d.Hours())/24)
	}
	return t.UTC().Format("2006-01-02")
}

// refName drops what git puts before a branch's or a tag's name.
func refName(ref string) string {
	return strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/")
}

// versionOf names a build by its version, or by its commit where it has none, and
// by its servers where it is not for all.
func versionOf(b build.Build) string {
	name := cmp.Or(b.Version, b.Tag, short(b.Commit))
	if b.Only == "" {
		return name
	}
	return name + " " + build.ToOnly(b.Only)
}

// did says what an act was, of who did it.
func did(kind string) string {
	words := map[string]string{
		build.ActHold: "held it", build.ActApprove: "approved", build.ActReject: "rejected", build.ActExpire: "ended it",
		build.ActRelease: "let it go", build.ActStart: "began", build.ActTick: "did", build.ActFail: "failed at", build.ActAgain: "asked again for",
	}
	if word, ok := words[kind]; ok {
		return word
	}
	return kind
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return cut(line, 120)
}

// cut bounds what one thing may take of a page.
func cut(text string, most int) string {
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return text
}

func byteCount(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f kB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
}

// toneOf is how a state of anything is shown: one of ok, bad, warn, run, wait,
// hold and off, each with a colour and a sign.
func toneOf(state any) string {
	switch fmt.Sprint(state) {
	case "succeeded", "released", "done", "ok", "build":
		return "ok"
	case "failed", "lost", "rejected", "refused", "stopped", "set aside", "rollback failed":
		return "bad"
	case "partial", "rolled back", "interrupted", "aborted":
		return "warn"
	case "running", "triggered", "doing", "watched", "":
		return "run"
	case "queued", "todo", "pending":
		return "wait"
	case "held", "waiting", "approved", "locked":
		return "hold"
	}
	return "off"
}

// iconPath draws the sign of a tone, for those who don't see the colour.
func iconPath(tone string) string {
	switch tone {
	case "ok":
		return "M3.5 8.5l3 3 6-7"
	case "bad":
		return "M4 4l8 8M12 4l-8 8"
	case "warn":
		return "M8 3v6M8 12v.6"
	case "run":
		return "M8 2.5A5.5 5.5 0 1 1 2.5 8"
	case "wait":
		return "M8 4.5V8l2.5 1.5M8 2a6 6 0 1 0 .01 0"
	case "hold":
		return "M5.5 3.5v9M10.5 3.5v9"
	}
	return "M3.5 8h9"
}
