// Package checklist reads release checklists: the task lists of Markdown, with
// three kinds of items that autobuilder does by itself.
package checklist

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"autobuilder/build"
)

// File is where a repository keeps its checklist.
const File = ".deliver/release.md"

const (
	maxSteps = 200
	maxWait  = 30 * 24 * time.Hour
)

// Mistake is a line that can't be understood.
type Mistake struct {
	Line int
	What string
}

// Error is the line and what is wrong with it.
func (m *Mistake) Error() string { return fmt.Sprintf("line %d: %s", m.Line, m.What) }

// An item of a task list. What is written between two items is for people only.
var item = regexp.MustCompile(`^\s*[-*+] +\[([^\]]*)\](.*)$`)

// Parse reads the steps of a checklist, in order. The error names every Mistake.
func Parse(text string) ([]build.Item, error) {
	var steps []build.Item
	var mistakes []error
	var p prose
	for i, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		found := item.FindStringSubmatch(line)
		if p.covers(line) || found == nil {
			continue
		}
		step, err := parseItem(found[1], strings.TrimSpace(found[2]))
		if err != nil {
			mistakes = append(mistakes, &Mistake{Line: i + 1, What: err.Error()})
			continue
		}
		step.N, step.Line, step.State = len(steps)+1, i+1, build.ItemTodo
		steps = append(steps, step)
	}
	if len(steps) > maxSteps {
		mistakes = append(mistakes, &Mistake{Line: steps[maxSteps].Line, What: fmt.Sprintf("a checklist has at most %d steps", maxSteps)})
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	return steps, nil
}

// prose knows the parts of a Markdown file in which an item is no item: code
// between fences and comments.
type prose struct {
	fence   string
	comment bool
}

// covers says whether the line is in such a part.
func (p *prose) covers(line string) bool {
	trimmed := strings.TrimSpace(line)
	switch {
	case p.fence != "":
		if strings.HasPrefix(trimmed, p.fence) {
			p.fence = ""
		}
		return true
	case p.comment:
		p.comment = !strings.Contains(line, "-->")
		return true
	}
	for _, fence := range []string{"```", "~~~"} {
		if strings.HasPrefix(trimmed, fence) {
			p.fence = fence
			return true
		}
	}
	if _, rest, opens := strings.Cut(line, "<!--"); opens && strings.HasPrefix(trimmed, "<!--") {
		p.comment = !strings.Contains(rest, "-->")
		return true
	}
	return false
}

func parseItem(box, text string) (build.Item, error) {
	switch {
	case box != " ":
		return build.Item{}, fmt.Errorf("write an open box, [ ]: who ticks a step is kept by autobuilder, not in the file")
	case text == "":
		return build.Item{}, errors.New("the step says nothing")
	case strings.ContainsFunc(text, unicode.IsControl) || !isText(text):
		return build.Item{}, errors.New("the step holds characters that are no text")
	}
	word, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToLower(word) {
	case "deploy", "deploy:":
		return parseDeploy(text, rest)
	case "run:":
		return parseRun(text, rest)
	case "wait:":
		return parseWait(text, rest)
	case "run", "wait":
		return build.Item{}, fmt.Errorf("write %s: with a colon if autobuilder is to do it, or begin with another word if a person does", strings.ToLower(word))
	}
	return build.Item{Kind: build.ItemPerson, Text: text}, nil
}

func isText(text string) bool { return strings.ToValidUTF8(text, "") == text }

var (
	projectName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	tagName     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+/-]{0,199}$`)
)

func parseDeploy(text, what string) (build.Item, error) {
	project, tag, ok := strings.Cut(unquote(what), "@")
	if !ok || !projectName.MatchString(project) || !tagName.MatchString(tag) {
		return build.Item{}, fmt.Errorf("deploy needs PROJECT@TAG, such as deploy billing@v3.1.0, not %q; begin with another word if a person does it", what)
	}
	return build.Item{Kind: build.ItemDeploy, Text: text, Project: project, Version: tag}, nil
}

func parseRun(text, command string) (build.Item, error) {
	command = unquote(command)
	if command == "" {
		return build.Item{}, errors.New("run: needs a command")
	}
	return build.Item{Kind: build.ItemRun, Text: text, Command: command}, nil
}

func parseWait(text, how string) (build.Item, error) {
	wait, err := time.ParseDuration(unquote(how))
	if err != nil || wait <= 0 || wait > maxWait {
		return build.Item{}, fmt.Errorf("wait: needs a time of at most 720h, such as 10m or 1h30m, not %q", how)
	}
	return build.Item{Kind: build.ItemWait, Text: text, Wait: wait}, nil
}

// unquote takes the backquotes off that Markdown sets code in.
func unquote(text string) string {
	if len(text) > 1 && strings.HasPrefix(text, "`") && strings.HasSuffix(text, "`") {
		return strings.TrimSpace(text[1 : len(text)-1])
	}
	return text
}
