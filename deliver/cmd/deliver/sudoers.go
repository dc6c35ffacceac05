package main

import (
	"fmt"
	"strings"

	"deliver/config"
)

// sudoers are the lines that let the app's user do what deliver does with the
// service manager, and nothing more.
func sudoers(c *config.Config) []string {
	commands := map[string]func(string) []string{
		"systemd": systemdCommands, "runit": runitCommands, "supervisor": supervisorCommands,
	}[c.Supervisor]
	if commands == nil {
		return nil
	}
	var lines []string
	for _, command := range commands(c.Service) {
		lines = append(lines, fmt.Sprintf("%s ALL=(root) NOPASSWD: /usr/bin/%s", c.AppUser, command))
	}
	return lines
}

func systemdCommands(service string) []string {
	unit := service
	if !strings.Contains(unit, ".") {
		unit += ".service"
	}
	return []string{"systemctl restart " + unit, "systemctl reset-failed " + unit, "systemctl daemon-reload"}
}

// runitCommands spell out how long sv may wait: a * would let through more
// words than one number.
func runitCommands(service string) []string {
	dir := "/etc/service/" + service
	return []string{"sv status " + dir, "sv -w [0-9] restart " + dir, "sv -w [0-9][0-9] restart " + dir}
}

func supervisorCommands(program string) []string {
	group := program + `\:\*`
	commands := []string{"supervisorctl reread", "supervisorctl update " + program}
	for _, verb := range []string{"status", "restart"} {
		commands = append(commands, "supervisorctl "+verb+" "+program, "supervisorctl "+verb+" "+group)
	}
	return commands
}
