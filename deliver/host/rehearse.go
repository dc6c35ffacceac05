package host

import "strings"

// restartCommands are what Restart runs for a service in this state. What
// depends on what the first of them says is told with its condition.
func (s Service) restartCommands(seen sighting) []string {
	if s.isExported() {
		return []string{"the processes of " + s.Procfile + " exported to " + s.Manager + ", and restarted"}
	}
	switch seen.Manager {
	case managerSystemd:
		return systemd{}.restartCommands(s.Name, seen)
	case managerOpenRC:
		return openrc{}.restartCommands(s.Name, seen)
	case managerUpstart:
		return prefixed("initctl ", "reload-configuration", "stop "+s.Name, "start "+s.Name)
	case managerRunit:
		if dir, ok := (runit{}).dir(s.Name); ok {
			return []string{"sv restart " + dir}
		}
	case managerSupervisor:
		return []string{
			"supervisorctl reread", "supervisorctl update " + s.Name + " (if its config changed)",
			"supervisorctl restart " + seen.target(s.Name) + " (unless the update started it)",
		}
	}
	return nil
}

func (systemd) restartCommands(name string, seen sighting) []string {
	var commands []string
	if seen.reload {
		commands = append(commands, "systemctl daemon-reload")
	}
	if seen.ended != "" {
		commands = append(commands, "systemctl reset-failed "+unitName(name))
	}
	return append(commands, "systemctl restart "+unitName(name))
}

func (openrc) restartCommands(name string, seen sighting) []string {
	if seen.stale {
		return prefixed("rc-service "+name+" ", "zap", "restart")
	}
	return []string{"rc-service " + name + " restart"}
}

// target is how supervisor calls the service: a group has another name than
// its programs.
func (s sighting) target(name string) string {
	if strings.HasPrefix(s.Detail, name+":") {
		return name + ":*"
	}
	return name
}
