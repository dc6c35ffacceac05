package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"deliver/config"
)

// candidate is a word that can stand where one is to be completed.
type candidate struct{ word, about string }

// files stands for the names of files, which the shell itself completes.
var files = []candidate{{word: ":files"}}

func (c candidate) line() string {
	if c.about == "" {
		return c.word
	}
	return c.word + "\t" + c.about
}

// completion finds what can stand at the end of a command line.
type completion struct {
	env     *environment
	tree    []*cli.Command
	before  []string // the words before
	typed   string   // what there is of the word
	command *cli.Command
	named   bool
}

func newCompletion(e *environment, tree []*cli.Command, words []string) *completion {
	last := len(words) - 1
	c := &completion{env: e, tree: tree, before: words[:last], typed: words[last]}
	if at := commandWord(c.before, tree); at >= 0 {
		c.command, c.named = findCommand(tree, c.before[at]), true
	} else {
		c.command = findCommand(tree, defaultCommand)
	}
	return c
}

// candidates are what the word may become.
func (c *completion) candidates() []candidate {
	name, value, joined := flagName(c.typed)
	switch {
	case c.asksForHelp():
		return c.after("", c.typed, append(commandWords(c.tree), plainWords(slices.Sorted(maps.Keys(topics())))...))
	case slices.Contains(c.before, "--") || c.command == nil:
		return nil
	case joined:
		return c.after(c.typed[:len(c.typed)-len(value)], value, c.values(name))
	case c.flagBefore() != "":
		return c.after("", c.typed, c.values(c.flagBefore()))
	case name != "" || c.typed == "-" || c.typed == "--":
		return c.after("", c.typed, flagWords(c.command.Flags))
	}
	return c.after("", c.typed, c.words())
}

func (c *completion) asksForHelp() bool { return len(c.before) == 1 && c.before[0] == "help" }

// after keeps the words that begin as what was typed, and puts the beginning of
// the word before them.
func (c *completion) after(begin, typed string, words []candidate) []candidate {
	if len(words) > 0 && words[0] == files[0] {
		return files
	}
	var found []candidate
	for _, w := range words {
		if strings.HasPrefix(w.word, typed) {
			found = append(found, candidate{begin + w.word, w.about})
		}
	}
	return found
}

// flagBefore is the flag that waits for a value.
func (c *completion) flagBefore() string {
	if len(c.before) == 0 {
		return ""
	}
	name, _, joined := flagName(c.before[len(c.before)-1])
	if f := findFlag(c.command, name); name == "" || joined || f == nil || !takesValue(f) {
		return ""
	}
	return name
}

// words are commands, or what a command takes as arguments; of one that takes
// none, its own flags.
func (c *completion) words() []candidate {
	switch {
	case !c.named:
		return append(commandWords(c.tree), candidate{"help", "a page on a command or a topic"})
	case c.command.Name == "completion":
		return plainWords(shells)
	case c.command.ArgsUsage != "":
		return files
	}
	settings := settingNames()
	return flagWords(slices.DeleteFunc(slices.Clone(c.command.Flags), func(f cli.Flag) bool { return isShared(f, settings) }))
}

func commandWords(tree []*cli.Command) []candidate {
	var words []candidate
	for _, c := range tree {
		if !c.Hidden {
			words = append(words, candidate{c.Name, c.Usage})
		}
	}
	return words
}

// flagWords are the long forms of flags: the short ones are typed faster than
// completed.
func flagWords(flags []cli.Flag) []candidate {
	var words []candidate
	for _, f := range flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if ok {
			words = append(words, candidate{"--" + f.Names()[0], doc.GetUsage()})
		}
	}
	return append(words, candidate{"--help", "the page on the command"})
}

func plainWords(list []string) []candidate {
	words := make([]candidate, len(list))
	for i, word := range list {
		words[i].word = word
	}
	return words
}

// values are what a flag may be given.
func (c *completion) values(flag string) []candidate {
	f := findFlag(c.command, flag)
	if f == nil || !takesValue(f) {
		return nil
	}
	v, isSetting := setBy(f)
	project := c.outline()
	switch {
	case !isSetting:
		return c.ownValues(f.Names()[0], project)
	case len(v.Choices) > 0:
		return plainWords(v.Choices)
	}
	switch v.Name {
	case "HOSTS", "ONLY", "EXCEPT":
		return c.further(project.hosts())
	case "STRATEGY":
		return plainWords(config.Strategies(c.env.dir))
	case "ENV":
		return plainWords(project.environments())
	case "TAG":
		return plainWords(project.refs("refs/tags"))
	case "BRANCH":
		return plainWords(project.refs("refs/heads"))
	case "REFSPEC", "REVISION":
		return plainWords(project.refs("refs/heads", "refs/tags"))
	case "BUILD", "SSH_CONFIG", "KNOWN_HOSTS", "LOG_FILE":
		return files
	}
	return nil
}

// ownValues are those of a flag that is a command's own.
func (c *completion) ownValues(flag string, project outline) []candidate {
	switch {
	case flag == "output" || flag == "to" && c.command.Name == "install":
		return files
	case flag == "to" || flag == "release":
		return plainWords(project.releases())
	}
	return nil
}

// further are the hosts that can follow those that a list holds already.
func (c *completion) further(hosts []string) []candidate {
	_, typed, joined := flagName(c.typed)
	if !joined {
		typed = c.typed
	}
	begin := typed[:strings.LastIndex(typed, ",")+1]
	var words []candidate
	for _, host := range hosts {
		if !slices.Contains(strings.Split(begin, ","), host) {
			words = append(words, candidate{word: begin + host})
		}
	}
	return words
}

// outline is what is known of the project of the line.
func (c *completion) outline() outline {
	o := outline{env: c.env}
	for i, word := range c.before {
		name, value, joined := flagName(word)
		switch {
		case name == "env" && joined:
			o.environment = value
		case name == "env" && i+1 < len(c.before):
			o.environment = c.before[i+1]
		}
	}
	return o
}

// setBy is the setting that a flag gives.
func setBy(f cli.Flag) (config.Variable, bool) {
	if generic, ok := f.(*cli.GenericFlag); ok {
		if s, ok := generic.Value.(*setting); ok {
			return s.variable, true
		}
	}
	return config.Variable{}, false
}
