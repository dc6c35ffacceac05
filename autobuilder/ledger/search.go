package ledger

import (
	"context"
	"fmt"
	"strings"

	"autobuilder/build"
)

// Search are the newest deliveries that a word of a person means, newest first:
// the beginning of a commit or of a branch's or tag's name, a repository, with or
// without its owner, who pushed, the ID of a delivery or of a build.
func (l *Ledger) Search(ctx context.Context, word string, limit int) ([]build.Fate, error) {
	wheres, args := searches(strings.TrimSpace(word), limit)
	text := `SELECT ` + fateColumns + ` FROM deliveries WHERE seq IN (SELECT * FROM (` +
		strings.Join(wheres, ") UNION SELECT * FROM (") + `)) ORDER BY seq DESC LIMIT ?`
	found, err := query(ctx, l.read, scanFateRows, text, append(args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("search deliveries: %w", err)
	}
	return found, nil
}

// mostOfPrefix bounds how many a short beginning may bring: they are not in order.
const mostOfPrefix = 1000

// searches are one look into an index each, so that a month's history is not read.
func searches(word string, limit int) (texts []string, args []any) {
	add := func(where string, values ...any) {
		texts = append(texts, "SELECT seq FROM deliveries WHERE "+where)
		args = append(args, values...)
	}
	newest := " ORDER BY seq DESC LIMIT ?"
	add("id = ?", word)
	add("build = ? AND build <> ''"+newest, word, limit)
	add("by = ? COLLATE NOCASE"+newest, word, limit)
	if strings.Contains(word, "/") {
		add("repo = ?"+newest, word, limit)
	} else {
		add("repo IN ("+repositories+" AND name LIKE ? ESCAPE '\\')"+newest, "%/"+escapeLike(word), limit)
	}
	for _, prefix := range []string{"", "refs/heads/", "refs/tags/"} {
		add("ref >= ? AND ref < ? LIMIT ?", prefix+word, prefix+word+"\U0010FFFF", mostOfPrefix)
	}
	if len(word) >= 4 && strings.Trim(strings.ToLower(word), "0123456789abcdef") == "" {
		word = strings.ToLower(word)
		add(`"commit" >= ? AND "commit" < ? AND "commit" <> '' LIMIT ?`, word, word+"g", mostOfPrefix)
	}
	return texts, args
}

// repositories jumps from each name in the index to the next.
const repositories = `WITH RECURSIVE names(name) AS (SELECT min(repo) FROM deliveries
	UNION ALL SELECT (SELECT min(repo) FROM deliveries WHERE repo > name) FROM names WHERE name IS NOT NULL)
	SELECT name FROM names WHERE name IS NOT NULL`

var likeEscapes = strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`)

func escapeLike(text string) string { return likeEscapes.Replace(text) }
