package chat

import (
	"regexp"
	"strings"

	"autobuilder/build"
)

// mostLetters bounds a sentence.
const mostLetters = 1000

// Parse understands a sentence. The error is a Mistake, which says what would be
// understood; it repeats nothing of what may have been a secret.
func Parse(text string) (Command, error) {
	if len(text) > mostLetters {
		return Command{}, mistake("that is too long: say help")
	}
	words := strings.Fields(text)
	if len(words) == 0 {
		return Command{Verb: Help}, nil
	}
	first := strings.ToLower(words[0])
	if strings.HasPrefix(first, "deploy-token:") {
		return Command{}, mistake("tokens are not told in a room: they stand in files or in the environment that autobuilder.yml names")
	}
	if head, rest, ok := strings.Cut(first, ":"); ok && head == "deploy" {
		return parseTask(words[0][len("deploy:"):], rest, words[1:])
	}
	if first == "deploy!" {
		c, err := parseDeploy(words[1:])
		c.Force = true
		return c, err
	}
	if first == "roll" && len(words) > 1 && strings.EqualFold(words[1], "back") {
		first, words = string(Rollback), words[1:]
	}
	parse, ok := parsers()[Verb(first)]
	if !ok {
		return Command{}, unknown(first)
	}
	return parse(words[1:])
}

func parsers() map[Verb]func([]string) (Command, error) {
	return map[Verb]func([]string) (Command, error){
		Deploy: parseDeploy, Deploys: parseDeploys, Rollback: parseRollback, Where: parseWhere,
		Lock: parseLock, Unlock: parseUnlock, Approve: parseHold(Approve), Reject: parseHold(Reject),
		Status: parseStatus, Queue: alone(Queue), Help: parseHelp,
	}
}

// wrong says how the verb is used.
func wrong(v Verb) error { return mistake("say: %s", sentences()[v]) }

func unknown(word string) error {
	if near, ok := nearest(word, verbs()); ok {
		return mistake("did you mean: %s", sentences()[Verb(near)])
	}
	return mistake("I understand:\n%s", Usage())
}

func verbs() []string {
	names := make([]string, 0, len(sentences()))
	for v := range sentences() {
		names = append(names, string(v))
	}
	return names
}

var (
	appName = regexp.MustCompile(`^[-_.0-9A-Za-z]+$`)
	oneTime = regexp.MustCompile(`^([cbdefghijklnrtuv]{32,64}|\d{6})$`)
)

// parseTask reads deploy:TASK; a lock and the way back have verbs of their own.
func parseTask(task, lower string, words []string) (Command, error) {
	name, force := strings.CutSuffix(task, "!")
	lower = strings.TrimSuffix(lower, "!")
	if lower == "version" && len(words) == 0 {
		return Command{Verb: Version}, nil
	}
	if name == "" {
		return Command{}, wrong(Deploy)
	}
	c, err := parseDeploy(words)
	c.Task, c.Force = name, force
	if err != nil || lower != string(Lock) && lower != string(Unlock) {
		return c, err
	}
	if c.Ref != "" || c.Hosts != "" {
		return Command{}, wrong(Verb(lower))
	}
	return Command{Verb: Verb(lower), App: c.App, Environment: c.Environment}, nil
}

// parseDeploy reads APP[/REF] [to ENV[/HOSTS]] [CODE].
func parseDeploy(words []string) (Command, error) {
	c := Command{Verb: Deploy}
	if n := len(words); n > 1 && oneTime.MatchString(words[n-1]) && !isPreposition(words[n-2]) {
		c.Code, words = words[n-1], words[:n-1]
	}
	return target(c, words)
}

func parseDeploys(words []string) (Command, error) {
	c, err := target(Command{Verb: Deploys}, words)
	if err == nil && c.Hosts != "" {
		return Command{}, wrong(Deploys)
	}
	return c, err
}

// target reads APP[/REF] [to ENV[/HOSTS]].
func target(c Command, words []string) (Command, error) {
	if len(words) != 1 && (len(words) != 3 || !isPreposition(words[1])) {
		return c, wrong(c.Verb)
	}
	c.App, c.Ref, _ = cutAny(words[0], "/@")
	var some bool
	if len(words) == 3 {
		c.Environment, c.Hosts, some = strings.Cut(words[2], "/")
	}
	if !appName.MatchString(c.App) || len(words) == 3 && !appName.MatchString(c.Environment) {
		return c, wrong(c.Verb)
	}
	hosts, err := build.ParseOnly(c.Hosts)
	if err != nil || some && hosts == "" {
		return c, mistake("name the servers like this: deploy %s to %s/h1,h2 (names, ranges like web-[1-8], patterns like web-*)", c.App, c.Environment)
	}
	c.Hosts = hosts
	return c, nil
}

func isPreposition(word string) bool {
	switch strings.ToLower(word) {
	case "to", "in", "on":
		return true
	}
	return false
}

// cutAny cuts around the first of the separators.
func cutAny(text, separators string) (before, rest string, found bool) {
	i := strings.IndexAny(text, separators)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

func parseRollback(words []string) (Command, error) {
	c := Command{Verb: Rollback}
	switch {
	case len(words) == 3 && isPreposition(words[1]):
		c.Ref = words[2]
	case len(words) == 2 && !isPreposition(words[1]):
		c.Ref = words[1]
	case len(words) != 1:
		return c, wrong(Rollback)
	}
	c.App = words[0]
	if !appName.MatchString(c.App) {
		return c, wrong(Rollback)
	}
	return c, nil
}

func parseWhere(words []string) (Command, error) {
	asks := len(words) == 4 && strings.EqualFold(strings.Join(words[:3], " "), "can i deploy")
	if !asks || !appName.MatchString(words[3]) {
		return Command{}, wrong(Where)
	}
	return Command{Verb: Where, App: words[3]}, nil
}

func parseLock(words []string) (Command, error) {
	c := Command{Verb: Lock}
	if len(words) == 0 || !appName.MatchString(words[0]) {
		return c, wrong(Lock)
	}
	c.App, words = words[0], words[1:]
	for _, last := range []int{2, 3} { // for 2h; for 2 hours
		if n := len(words) - last; n >= 0 && strings.EqualFold(words[n], "for") {
			if d, ok := build.ParseLockTime(strings.Join(words[n+1:], "")); ok {
				c.For, words = d, words[:n]
				break
			}
		}
	}
	c.Note = strings.Join(words, " ")
	return c, nil
}

func parseUnlock(words []string) (Command, error) {
	if len(words) == 0 || !appName.MatchString(words[0]) {
		return Command{}, wrong(Unlock)
	}
	return Command{Verb: Unlock, App: words[0], Note: strings.Join(words[1:], " ")}, nil
}

func parseHold(v Verb) func([]string) (Command, error) {
	return func(words []string) (Command, error) {
		if len(words) == 0 {
			return Command{}, wrong(v)
		}
		return Command{Verb: v, ID: words[0], Note: strings.Join(words[1:], " ")}, nil
	}
}

func parseStatus(words []string) (Command, error) {
	switch {
	case len(words) == 0:
		return Command{Verb: Status}, nil
	case len(words) == 1 && appName.MatchString(words[0]):
		return Command{Verb: Status, App: words[0]}, nil
	}
	return Command{}, wrong(Status)
}

func parseHelp([]string) (Command, error) { return Command{Verb: Help}, nil }

// alone is a verb that nothing follows.
func alone(v Verb) func([]string) (Command, error) {
	return func(words []string) (Command, error) {
		if len(words) > 0 {
			return Command{}, wrong(v)
		}
		return Command{Verb: v}, nil
	}
}
