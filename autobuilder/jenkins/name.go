package jenkins

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckName says what is wrong with a job's name. Jenkins takes names without
// the characters that mean something in a URL or a path; folders are not used.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("job name is empty")
	case len(name) > 200:
		return fmt.Errorf("job name %q…: longer than 200 bytes", name[:20])
	case !utf8.ValidString(name):
		return fmt.Errorf("job name %q: not utf-8", name)
	case name == "." || name == ".." || strings.TrimSpace(name) != name || strings.HasSuffix(name, "."):
		return fmt.Errorf("job name %q: may not be a dot, end in one, or have spaces around it", name)
	}
	for _, r := range name {
		if unicode.IsControl(r) || strings.ContainsRune(`?*/\%!@#$^&|<>[]:;"`, r) {
			return fmt.Errorf("job name %q: may not contain %q", name, r)
		}
	}
	return nil
}

// jobPath is the path of a job below the Jenkins' address.
func jobPath(name string) (string, error) {
	if err := CheckName(name); err != nil {
		return "", err
	}
	return "/job/" + url.PathEscape(name), nil
}

func buildPath(job string, number int64) (string, error) {
	path, err := jobPath(job)
	if err != nil {
		return "", err
	}
	if number <= 0 {
		return "", fmt.Errorf("build number %d: want 1 or more", number)
	}
	return path + "/" + strconv.FormatInt(number, 10), nil
}
