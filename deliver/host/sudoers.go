package host

import "fmt"

// Sudoers are the lines of sudoers that let user do what Restart and Look do
// with the service's manager, and nothing more. None means that nothing is known to be needed.
func (s Service) Sudoers(user string) []string {
	var lines []string
	for _, command := range s.privileged() {
		lines = append(lines, fmt.Sprintf("%s ALL=(root) NOPASSWD: %s", user, command))
	}
	return lines
}

// privileged are the commands that a manager lets only root use.
func (s Service) privileged() []string {
	if s.Command != "" || s.isExported() {
		return nil
	}
	switch s.Manager {
	case managerSystemd:
		unit := unitName(s.Name)
		return prefixed("/usr/bin/systemctl ", "restart "+unit, "reset-failed "+unit, "daemon-reload")
	case managerOpenRC:
		return prefixed("/sbin/rc-service ", s.Name+" restart", s.Name+" zap")
	case managerUpstart:
		return prefixed("/sbin/initctl ", "reload-configuration", "status "+s.Name, "stop "+s.Name, "start "+s.Name)
	case managerRunit:
		dir := "/etc/service/" + s.Name
		return prefixed("/usr/bin/sv ", "status "+dir, "restart "+dir)
	case managerSupervisor:
		group := s.Name + `\:\*` // a bare * would let any words through
		return prefixed("/usr/bin/supervisorctl ", "reread", "update "+s.Name,
			"status "+s.Name, "status "+group, "restart "+s.Name, "restart "+group)
	}
	return nil
}

func prefixed(prefix string, rest ...string) []string {
	for i := range rest {
		rest[i] = prefix + rest[i]
	}
	return rest
}
