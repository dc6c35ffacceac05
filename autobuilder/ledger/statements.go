package ledger

import (
	"context"
	"database/sql"
	"sync"
)

// statements are a database whose statements are parsed once, not each time.
type statements struct {
	*sql.DB

	mu     sync.Mutex
	parsed map[string]*sql.Stmt
}

func newStatements(db *sql.DB) *statements {
	return &statements{DB: db, parsed: map[string]*sql.Stmt{}}
}

// statement is the parsed text. It needs a connection when the text is new.
func (s *statements) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt, ok := s.parsed[text]; ok {
		return stmt, nil
	}
	stmt, err := s.PrepareContext(ctx, text) //nolint:sqlclosecheck // ends with the database
	if err == nil {
		s.parsed[text] = stmt
	}
	return stmt, err
}

// QueryContext is that of sql.DB.
func (s *statements) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	stmt, err := s.statement(ctx, text) //nolint:sqlclosecheck // ends with the database
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...) //nolint:sqlclosecheck // the caller's
}

// QueryRowContext is that of sql.DB.
func (s *statements) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	stmt, err := s.statement(ctx, text) //nolint:sqlclosecheck // ends with the database
	if err != nil {
		return s.DB.QueryRowContext(ctx, text, args...) // the row says why
	}
	return stmt.QueryRowContext(ctx, args...)
}
