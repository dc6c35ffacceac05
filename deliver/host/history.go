package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
)

// recentEntries is how much of the history Look shows.
const recentEntries = 20

// Record appends to the server's history, or to what ran once.
func (l *Local) Record(ctx context.Context, entry Entry) error {
	if err := l.prepare(); err != nil {
		return err
	}
	done, err := l.step(ctx)
	if err != nil {
		return err
	}
	defer done()
	return l.append(ctx, entry)
}

// History is the newest entries, at most limit, oldest first.
func (l *Local) History(_ context.Context, limit int) ([]Entry, error) {
	entries, err := l.history()
	return entries[max(0, len(entries)-max(limit, 0)):], err
}

// history is every entry, oldest first.
func (l *Local) history() ([]Entry, error) { return l.entries("history.jsonl") }

func (l *Local) entries(file string) ([]Entry, error) {
	content, err := os.ReadFile(l.state(file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, l.wrap("read the history", err)
	}
	return parseHistory(content), nil
}

// parseHistory leaves out what is no entry: a machine that lost power may have
// left half a line.
func parseHistory(content []byte) []Entry {
	var entries []Entry
	for line := range bytes.Lines(content) {
		var e Entry
		if json.Unmarshal(line, &e) == nil && (e.Release != "" || e.Action != "") {
			entries = append(entries, e)
		}
	}
	return entries
}

// appendLine writes line and waits until it is on the disk.
func appendLine(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if !endsLine(f) {
		line = append([]byte("\n"), line...)
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return err
	}
	return f.Sync()
}

// endsLine says whether what is appended to f starts a line: half a line may
// have been left when the power went.
func endsLine(f *os.File) bool {
	last := make([]byte, 1)
	_, err := f.Seek(-1, io.SeekEnd)
	if err != nil {
		return true
	}
	_, err = f.Read(last)
	return err == nil && last[0] == '\n'
}
