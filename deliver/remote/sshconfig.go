package remote

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kevinburke/ssh_config"

	"deliver/inventory"
)

// askSSH is `ssh -G`.
func askSSH(ctx context.Context, h inventory.Host, configFile string) (values, error) {
	args := []string{"-T", "-G"}
	if configFile != "" {
		args = append(args, "-F", configFile)
	}
	if h.User != "" {
		args = append(args, "-l", h.User)
	}
	if h.Port != 0 {
		args = append(args, "-p", strconv.Itoa(h.Port))
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "ssh", append(args, "--", h.Name)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s (%w)", strings.Join(strings.FieldsFunc(stderr.String(), isNewline), "; "), err)
	}
	return parseSSH(stdout.String()), nil
}

func isNewline(r rune) bool { return r == '\n' || r == '\r' }

// parseSSH reads the output of `ssh -G`: a keyword and its value on each line.
func parseSSH(out string) values {
	v := values{}
	lines := bufio.NewScanner(strings.NewReader(out))
	lines.Buffer(nil, len(out)+1)
	for lines.Scan() {
		key, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if ok {
			key = strings.ToLower(key)
			v[key] = append(v[key], strings.TrimSpace(value))
		}
	}
	return v
}

// readConfigFiles reads the files as far as that is possible without ssh(1).
func readConfigFiles(_ context.Context, h inventory.Host, configFile string) (values, error) {
	me, err := user.Current()
	if err != nil {
		return nil, fmt.Errorf("find out who runs this: %w", err)
	}
	files := []string{configFile}
	if configFile == "" {
		files = []string{filepath.Join(me.HomeDir, ".ssh", "config"), "/etc/ssh/ssh_config"}
	}
	v := values{}
	for _, file := range files {
		if err := v.read(file, h.Name); err != nil && (configFile != "" || !errors.Is(err, fs.ErrNotExist)) {
			return nil, err
		}
	}
	v.fill(h, me)
	return v, nil
}

// read adds what a file says; what an earlier file said stays.
func (v values) read(file, name string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	config, err := ssh_config.DecodeBytes(text)
	if err != nil {
		return fmt.Errorf("%s: %w (install ssh, which reads all of it)", file, err)
	}
	for _, key := range []string{
		"hostname", "user", "port", "identitiesonly", "hashknownhosts", "hostkeyalias", "stricthostkeychecking", "connecttimeout",
		"serveraliveinterval", "serveralivecountmax",
		"proxyjump", "proxycommand", "userknownhostsfile", "globalknownhostsfile", "identityagent", "identityfile", "certificatefile",
	} {
		all, err := config.GetAll(name, key)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", file, key, err)
		}
		v[key] = append(v[key], all...)
	}
	return nil
}

// fill sets what HOSTS says and what ssh defaults to.
func (v values) fill(h inventory.Host, me *user.User) {
	defaults := map[string][]string{
		"hostname": {h.Name}, "user": {me.Username}, "port": {"22"},
		"identityfile":         {"~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519"},
		"userknownhostsfile":   {"~/.ssh/known_hosts ~/.ssh/known_hosts2"},
		"globalknownhostsfile": {"/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"},
	}
	for key, value := range defaults {
		if len(v[key]) == 0 {
			v[key] = value
		}
	}
	v["hostname"][0] = strings.ReplaceAll(v["hostname"][0], "%h", h.Name)
	v["user"][0] = cmp.Or(h.User, v["user"][0])
	if h.Port != 0 {
		v["port"] = []string{strconv.Itoa(h.Port)}
	}
}
