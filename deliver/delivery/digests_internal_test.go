package delivery

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type fullDisk struct{ room int }

var errFull = errors.New("no space left")

// Write takes what there is room for.
func (f *fullDisk) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestCopyingIsTheWholeAndItsDigest(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, handedOver - 1, handedOver, handedOver + 1, 20*handedOver + 7} {
		content := bytes.Repeat([]byte("deliver"), size/7+1)[:size]
		var to bytes.Buffer
		c := newCopying(&to, true)
		_, err := io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{bytes.NewReader(content)}, make([]byte, 10_001))
		require.NoError(t, err)
		digest, err := c.settle()
		require.NoError(t, err)
		sum := sha256.Sum256(content)
		assert.Equal(t, hex.EncodeToString(sum[:]), digest)
		assert.Equal(t, int64(size), c.size)
		assert.True(t, bytes.Equal(content, to.Bytes()))
	}
}

func TestCopyingEndsEarlyOnAFullDisk(t *testing.T) {
	t.Parallel()
	c := newCopying(&fullDisk{room: 3 * handedOver}, false)
	written, err := io.Copy(c, io.LimitReader(endless{}, 1<<40))
	require.ErrorIs(t, err, errFull)
	assert.Less(t, written, int64(100*handedOver))
	_, err = c.settle()
	assert.ErrorIs(t, err, errFull)
}

type endless struct{}

// Read reads zeros.
func (endless) Read(p []byte) (int, error) { return len(p), nil }
