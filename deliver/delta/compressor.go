package delta

import (
	"fmt"
	"math/bits"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// narrowestWindow is that of all that is smaller, too.
	narrowestWindow = 64 << 10
	// fewBytes are worth every look, but none that takes longer to prepare than to do.
	fewBytes = 1 << 20
)

// compressors makes frames beside each other. What a compressor keeps takes
// megabytes, and time to be cleared: it is made for what there is to
// compress, and used again.
type compressors struct{ idle sync.Pool }

// compressor is for contents of up to its window.
type compressor struct {
	*zstd.Encoder
	window int
}

// compress makes one zstd frame.
func (c *compressors) compress(raw, dict []byte) ([]byte, error) {
	window := windowFor(len(raw) + len(dict))
	if dict != nil {
		return compressWith(dict, raw, window)
	}
	with, _ := c.idle.Get().(*compressor)
	if with == nil || with.window != window {
		encoder, err := newEncoder(window, zstd.SpeedDefault)
		if err != nil {
			return nil, err
		}
		with = &compressor{encoder, window}
	}
	defer c.idle.Put(with)
	return with.EncodeAll(raw, nil), nil
}

// compressWith takes a closer look: what is compressed with a dictionary is small.
func compressWith(dict, raw []byte, window int) ([]byte, error) {
	level := zstd.SpeedBestCompression
	if window <= fewBytes {
		level = zstd.SpeedBetterCompression
	}
	encoder, err := newEncoder(window, level, zstd.WithEncoderDictRaw(dictionaryID, dict))
	if err != nil {
		return nil, err
	}
	defer encoder.Close()
	return encoder.EncodeAll(raw, nil), nil
}

// windowFor is the power of two that holds n bytes.
func windowFor(n int) int {
	n = max(min(n, widestWindow), narrowestWindow)
	return 1 << bits.Len(uint(n-1))
}

func newEncoder(window int, level zstd.EncoderLevel, more ...zstd.EOption) (*zstd.Encoder, error) {
	options := []zstd.EOption{
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(level), zstd.WithWindowSize(window), zstd.WithAllLitEntropyCompression(window <= fewBytes),
	}
	encoder, err := zstd.NewWriter(nil, append(options, more...)...)
	if err != nil {
		return nil, fmt.Errorf("make a compressor: %w", err)
	}
	return encoder, nil
}
