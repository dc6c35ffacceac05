package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"deliver/config"
	"deliver/delivery"
)

// hooksOf are the functions of .deliver/config as a delivery calls them.
func hooksOf(script *config.Script) delivery.Hooks {
	return delivery.Hooks{
		Has: script.Has,
		Call: func(ctx context.Context, call delivery.HookCall) error {
			out := &lines{tell: call.Line}
			defer out.end()
			return script.Call(ctx, config.Call{Function: call.Name, Args: call.Args, Env: call.Env, Stdout: out, Stderr: out})
		},
	}
}

// uncalled is a note on functions that look like hooks and are none: those of
// tasks that deliver does not have, and slips. A project's own strategy calls
// whatever hooks it likes.
func uncalled(c *config.Config) []string {
	if c.Strategy != config.Tarball {
		return nil
	}
	known := delivery.HookNames()
	var idle []string
	for _, name := range c.Script.Functions() {
		before, after := strings.HasPrefix(name, "pre_"), strings.HasPrefix(name, "post_")
		if (before || after) && !slices.Contains(known, name) {
			idle = append(idle, name+config.Suggest(name, known))
		}
	}
	if len(idle) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("deliver calls no function %s; deliver help hooks lists those that it calls", strings.Join(idle, ", "))}
}

// hooksPage is deliver help hooks.
func hooksPage() string {
	var b strings.Builder
	b.WriteString(fill("Hooks. Functions of .deliver/config that are called on this machine; one that fails fails its step.") + "\n")
	entry(&b, strings.Join(delivery.HookNames(), " "), "once per run, in the order of the steps, where they are defined. Those of git_push, upstart and launch are "+
		"the original Deliver's: sending the release does git_push's work now, the restart that of upstart and launch.")
	b.WriteString("\n")
	entry(&b, "drain HOST, undrain HOST", "for each server, before and after its switch")
	b.WriteString("\n" + fill("Executables that the release brings in .deliver/hooks, which are run on each server:") + "\n")
	entry(&b, "pre-switch, post-switch, post-restart", "in the new release's directory")
	b.WriteString("\n" + fill("In their environment: APP, RELEASE, VERSION, COMMIT and DELIVER_TO; for one server HOST and PREVIOUS as well."))
	return b.String()
}
