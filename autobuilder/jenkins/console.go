package jenkins

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
)

// consoleLimit bounds what one call of Console brings; a longer text is cut.
const consoleLimit = 32 << 20

// Console is what a build has written since offset, and where to go on. While
// more is true the build may write more. Only next may be used as an offset:
// the text is shorter or longer than the bytes that Jenkins counts.
func (c *Client) Console(ctx context.Context, job string, number, offset int64) (text []byte, next int64, more bool, err error) {
	path, err := buildPath(job, number)
	if err != nil {
		return nil, offset, false, fmt.Errorf("read console: %w", err)
	}
	query := map[string]string{"start": strconv.FormatInt(offset, 10)}
	body, header, err := c.getText(ctx, path+"/logText/progressiveText", query)
	if err != nil {
		return nil, offset, false, fmt.Errorf("read console of build %d of job %s: %w", number, job, orNoRun(err))
	}
	next, err = strconv.ParseInt(header.Get("X-Text-Size"), 10, 64)
	if err != nil || next < 0 {
		return nil, offset, false, fmt.Errorf("read console of build %d of job %s: jenkins gave no X-Text-Size", number, job)
	}
	if next <= offset { // an offset past the end is answered from the start
		return nil, next, header.Get("X-More-Data") == "true", nil
	}
	return unixLines([]byte(body)), next, header.Get("X-More-Data") == "true", nil
}

// Hudson and Jenkins end lines in CRLF here, whatever the build wrote.
func unixLines(text []byte) []byte {
	cut := len(text) >= consoleLimit
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	if cut {
		text = append(text, "\n[the rest of this piece is left out: read it in jenkins]\n"...)
	}
	return text
}
