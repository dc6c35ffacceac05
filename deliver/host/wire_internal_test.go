package host

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func FuzzReadRequest(f *testing.F) {
	for _, seed := range []string{"", "\n", "{}\n", `{"v":1,"op":"look"}` + "\n", `{"v":1,"args":{}}` + "\nzstd", strings.Repeat("{", 5000) + "\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		in := bufio.NewReader(bytes.NewReader(input))
		req, err := readRequest(in)
		if err != nil {
			assert.Equal(t, KindProtocol, asError(err).Kind)
			assert.NotEmpty(t, asError(err).Hint)
			return
		}
		assert.Equal(t, wireVersion, req.V)
		rest := new(bytes.Buffer)
		_, err = rest.ReadFrom(in)
		require.NoError(t, err)
		_, want, _ := bytes.Cut(input, []byte("\n"))
		assert.Equal(t, want, append([]byte{}, rest.Bytes()...), "what follows the line is not touched")
	})
}
