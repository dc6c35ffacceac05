package host

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func FuzzReadRequest(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"v":2,"op":"look"}`, `{"v":2,"args":{}}`, strings.Repeat("{", 5000)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		req, err := readRequest(message)
		if err != nil {
			assert.Equal(t, KindProtocol, asError(err).Kind)
			assert.NotEmpty(t, asError(err).Hint)
			return
		}
		assert.Equal(t, wireVersion, req.V)
	})
}

// FuzzFrames has what comes in of a conversation: it is read or refused, within bounds.
func FuzzFrames(f *testing.F) {
	var whole bytes.Buffer
	w := newFrameWriter(&whole)
	require.NoError(f, w.write(frame{id: 1, kind: frameMessage, payload: []byte(`{"v":2,"op":"look"}`)}))
	require.NoError(f, w.write(frame{id: 1, kind: frameBody, payload: []byte("zstd")}))
	require.NoError(f, w.write(taken(700, bodyWindow)))
	f.Add(whole.Bytes())
	f.Add(whole.Bytes()[:whole.Len()-2])
	f.Add([]byte(greeting + "\x05\x03abc"))
	f.Add([]byte("GET / HTTP/1.1\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		const longest = 1 << 16
		r := newFrameReader(bytes.NewReader(input), longest)
		_, err := r.greeted()
		for err == nil {
			var next frame
			if next, err = r.next(); err == nil {
				assert.Less(t, next.kind, byte(kindsOfFrames))
				assert.LessOrEqual(t, len(next.payload), max(longest, len(input)))
				_, _ = next.allowed()
			}
		}
		assert.NotErrorIs(t, err, io.ErrShortBuffer)
	})
}

// Conversations take turns with what compresses their messages.
func TestMessagesOfAllLengthsAtOnce(t *testing.T) {
	t.Parallel()
	var talks sync.WaitGroup
	for talk := range 8 {
		talks.Go(func() {
			var there deflater
			var here inflater
			for n := range 200 {
				message := fmt.Appendf(nil, `{"op":"look","args":{"talk":%d,"n":%d,"text":%q}}`, talk, n, strings.Repeat(fmt.Sprintf("%d,", n*n), n*n/5))
				got, err := here.unpack(there.pack(bytes.Clone(message)), 1<<20)
				if !assert.NoError(t, err) || !assert.Equal(t, string(message)+"\n", string(got)) {
					return
				}
			}
		})
	}
	talks.Wait()
}

func TestAMessageRefersToThoseBeforeIt(t *testing.T) {
	t.Parallel()
	var wire bytes.Buffer
	w, r := newFrameWriter(&wire), newFrameReader(&wire, 1<<20)
	var sizes []int
	for n := range 50 {
		req := Request{V: wireVersion, Op: opClaim, Place: Place{App: "shop", Root: "/srv/shop"}, Args: json.RawMessage(`{"claim":{"run":"20261125-101112-abcdef"}}`)}
		message, err := json.Marshal(req)
		require.NoError(t, err)
		before := wire.Len()
		require.NoError(t, w.write(frame{id: uint64(n + 1), kind: frameMessage, payload: message}))
		sizes = append(sizes, wire.Len()-before)
		if n == 0 {
			_, err = r.greeted()
			require.NoError(t, err)
		}
		got, err := r.next()
		require.NoError(t, err)
		assert.Equal(t, uint64(n+1), got.id)
		assert.JSONEq(t, string(message), string(got.payload))
	}
	assert.Less(t, sizes[49], 20, "what was said before costs little")
	_, err := r.next()
	assert.ErrorIs(t, err, io.EOF)
}
