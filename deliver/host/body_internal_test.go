package host

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestABodyLetsAsMuchComeAsWasTaken(t *testing.T) {
	t.Parallel()
	let := 0
	b := newBody(t.Context(), func(n int) { let += n })
	part := make([]byte, bodyPart)
	for range bodyWindow / bodyPart {
		require.True(t, b.add(part))
	}
	_, err := io.CopyN(io.Discard, b, bodyWindow/2)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, let, bodyWindow/4)
	assert.LessOrEqual(t, let, bodyWindow/2)
	for range let / bodyPart {
		require.True(t, b.add(part))
	}
	assert.False(t, b.add(make([]byte, bodyWindow)), "more than was let")
}

func TestABodyEndsAsItIsTold(t *testing.T) {
	t.Parallel()
	b := newBody(t.Context(), func(int) {})
	b.add([]byte("abc"))
	b.end(errGivenUp)
	b.end(io.EOF)
	b.add([]byte("late"))
	got, err := io.ReadAll(b)
	require.ErrorIs(t, err, errGivenUp)
	assert.Equal(t, "abc", string(got), "what came before is read")

	late := errors.New("too late")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(late)
	_, err = newBody(ctx, func(int) {}).Read(make([]byte, 1))
	require.ErrorIs(t, err, late)
}
