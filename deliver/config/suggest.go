package config

// Suggest gives " (did you mean X?)" for the candidate that a mistyped word
// was likely meant to be, and nothing when there is none.
func Suggest(word string, candidates []string) string {
	if near := nearest(word, candidates); near != "" {
		return " (did you mean " + near + "?)"
	}
	return ""
}

// nearest is the candidate that one slip makes of the word, or two in a long
// one; a slip is a letter too many, too few, wrong, or changed for its neighbour.
func nearest(word string, candidates []string) string {
	best, fewest := "", 2
	if len(word) >= 8 {
		fewest = 3
	}
	if len(word) < 3 {
		return ""
	}
	for _, c := range candidates {
		if max(len(word)-len(c), len(c)-len(word)) >= fewest {
			continue // so many slips at the least
		}
		if n := slips(word, c); n > 0 && n < fewest {
			best, fewest = c, n
		}
	}
	return best
}

// slips is the optimal string alignment distance of two words.
func slips(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			rows[i][j] = cheapest(rows, a, b, i, j)
		}
	}
	return rows[len(a)][len(b)]
}

func cheapest(rows [][]int, a, b string, i, j int) int {
	change := 1
	if a[i-1] == b[j-1] {
		change = 0
	}
	n := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
	if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
		n = min(n, rows[i-2][j-2]+1)
	}
	return n
}
