package inventory

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ParseHosts reads a list of hosts as HOSTS holds it: [user@]name[:port], with
// commas, blanks or line ends between, an IPv6 address in brackets, and ranges:
// web-[1-8]. The error names the entry that is wrong and says how it should be.
func ParseHosts(list string) ([]Host, error) {
	var hosts []Host
	for _, entry := range Split(list) {
		some, err := parseEntry(entry)
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", strconv.Quote(entry), err)
		}
		hosts = append(hosts, some...)
	}
	return hosts, nil
}

func parseEntry(entry string) ([]Host, error) {
	if err := looksWrong(entry); err != nil {
		return nil, err
	}
	names, err := expand(entry)
	if err != nil {
		return nil, err
	}
	hosts := make([]Host, len(names))
	for i, name := range names {
		if hosts[i], err = parseHost(name); err != nil {
			return nil, err
		}
	}
	return hosts, nil
}

func separates(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }

func parseHost(entry string) (Host, error) {
	user, address, named := strings.Cut(entry, "@")
	if !named {
		user, address = "", entry
	} else if err := checkUser(user); err != nil {
		return Host{}, err
	}
	name, port, err := splitPort(address)
	if err != nil {
		return Host{}, err
	}
	return Host{Name: name, User: user, Port: port}, checkName(name)
}

// looksWrong knows what people and programs write in place of a host.
func looksWrong(entry string) error {
	switch {
	case entry == "None" || entry == "null":
		return errors.New("this is what a cloud's command line prints for an empty answer")
	case strings.Contains(entry, "://"):
		return errors.New("a host is written [user@]name[:port], not as a URL")
	case strings.Contains(entry, "/"):
		return errors.New("a host is written [user@]name[:port], without a path; DELIVER_TO is the path")
	case strings.HasPrefix(entry, "-"):
		return errors.New("a host does not begin with a dash")
	}
	return nil
}

func checkUser(user string) error {
	if user == "" {
		return errors.New("the user before @ is empty")
	}
	if strings.HasPrefix(user, "-") || strings.IndexFunc(user, notInUser) >= 0 {
		return errors.New("the user before @ holds what no login name may")
	}
	return nil
}

func notInUser(r rune) bool { return !letterOrDigit(r) && !strings.ContainsRune(`._-+$\`, r) }

// splitPort parts name:port and [address]:port.
func splitPort(address string) (name string, port int, err error) {
	if strings.HasPrefix(address, "[") {
		return splitBrackets(address)
	}
	if strings.Count(address, ":") > 1 {
		return "", 0, errors.New("an IPv6 address is written in brackets: [2001:db8::1] or [2001:db8::1]:2222")
	}
	name, digits, given := strings.Cut(address, ":")
	if !given {
		return name, 0, nil
	}
	port, err = parsePort(digits)
	return name, port, err
}

func splitBrackets(address string) (name string, port int, err error) {
	name, rest, closed := strings.Cut(address[1:], "]")
	if !closed {
		return "", 0, errors.New("the bracket of the IPv6 address is not closed")
	}
	if ip, err := netip.ParseAddr(name); err != nil || !ip.Is6() {
		return "", 0, errors.New("what stands in brackets is no IPv6 address")
	}
	if rest == "" {
		return name, 0, nil
	}
	digits, colon := strings.CutPrefix(rest, ":")
	if !colon {
		return "", 0, errors.New("after the bracket only :port may follow")
	}
	port, err = parsePort(digits)
	return name, port, err
}

func parsePort(digits string) (int, error) {
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || strings.HasPrefix(digits, "0") {
		return 0, fmt.Errorf("port %s is no number from 1 to 65535", strconv.Quote(digits))
	}
	return int(port), nil
}

// checkName takes what DNS and ssh_config aliases are made of. An address with
// colons was read as one before; its zone still has to be of harmless letters.
func checkName(name string) error {
	const longest = 253
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > longest:
		return fmt.Errorf("the name is longer than %d bytes", longest)
	case strings.HasPrefix(name, "-"):
		return errors.New("a host does not begin with a dash")
	case strings.IndexFunc(name, notInName) >= 0:
		return errors.New("a name holds only letters, digits, dots, dashes and underscores")
	}
	return nil
}

func notInName(r rune) bool { return !letterOrDigit(r) && !strings.ContainsRune("._-:%", r) }

func letterOrDigit(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
