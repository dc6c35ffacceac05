package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// logFile is LOG_FILE. Each line has the time before it, as the original
// Deliver wrote them, and a run ends with a rule.
type logFile struct {
	file *os.File
	now  func() time.Time
}

func openLog(name string) (*logFile, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open LOG_FILE: %w", err)
	}
	return &logFile{f, time.Now}, nil
}

// Write appends whole lines, all in one write: another run may be writing.
func (l *logFile) Write(text []byte) (int, error) {
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			fmt.Fprintf(&out, "%s ::: %s\n", l.now().Format(time.UnixDate), line)
		}
	}
	if _, err := l.file.WriteString(out.String()); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Close ends the run's part of the log.
func (l *logFile) Close() error {
	_, err := l.file.WriteString(strings.Repeat("=", 59) + "\n")
	if closed := l.file.Close(); err == nil {
		err = closed
	}
	return err
}
