package web_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/labtest"
)

// look is a width and a scheme that pages are looked at with.
type look struct {
	width, height int64
	scheme        string
}

func (l look) String() string { return fmt.Sprintf("%d-%s", l.width, l.scheme) }

// set makes the browser so.
func (l look) set() chromedp.Action[chromedp.Void] {
	return chromedp.Steps(chromedp.EmulateViewport(l.width, l.height), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: l.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		return err
	}))
}

// faults is what is wrong with the page that the browser shows.
const faults = `(() => {
  const found = [];
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) found.push("it is " + wide + " px too wide");
  for (const one of document.querySelectorAll("a, button, input:not([type=hidden])")) {
    const named = one.textContent.trim() || one.getAttribute("aria-label") || one.labels?.length || one.dataset.n;
    if (!named) found.push("nothing names " + one.outerHTML);
  }
  if (document.querySelectorAll("h1").length !== 1) found.push("it has not one h1");
  for (const mark of ["header", "nav[aria-label]", "main#main", "footer", "a.skip[href='#main']", "[aria-live]", "html[lang]"])
    if (!document.querySelector(mark)) found.push("it lacks " + mark);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push("two have the id " + id);
  if (document.querySelector("[style], script:not([src]), [onclick]")) found.push("it has inline style or script");
  if (!document.fonts || getComputedStyle(document.body).backgroundColor === "rgba(0, 0, 0, 0)") found.push("it has no style");
  return found;
})()`

// Each page at the width of a desk and of a phone, light and dark. With
// SCREENSHOTS=DIR the pictures are written.
func TestPagesInABrowser(t *testing.T) {
	s := newSeed(t)
	server := s.serve("grace")
	running, failed := s.find(t, "dashboard", 30), s.find(t, "dashboard", 19)
	pages := map[string]string{
		"board": "/", "project": "/projects/dashboard", "build-running": "/builds/" + running, "build-rolled-back": "/builds/" + failed,
		"holds": "/holds", "hold": "/holds/" + s.held(), "ledger": "/ledger", "ledger-search": "/ledger?q=v1.5", "sign-in": "/sign-in", "error": "/nowhere",
	}
	ctx := labtest.Browse(t)
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		answer, body := get(t, server.URL+pages[name])
		assert.Less(t, len(body), 100<<10, name)
		assert.Contains(t, []int{http.StatusOK, http.StatusNotFound}, answer.StatusCode, name)
		for _, l := range []look{{1280, 800, "light"}, {1280, 800, "dark"}, {390, 844, "light"}, {390, 844, "dark"}} {
			require.NoError(t, chromedp.Do(ctx, l.set(), chromedp.Navigate(server.URL+pages[name])))
			wrong, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](faults))
			require.NoError(t, err)
			assert.Empty(t, wrong, "%s %s", name, l)
			if dir := os.Getenv("SCREENSHOTS"); dir != "" {
				picture(t, ctx, filepath.Join(dir, name+"-"+l.String()+".png"))
			}
		}
	}
}

// find is the ID of the build of a project's commit.
func (s *seed) find(t *testing.T, project string, n int) string {
	t.Helper()
	b, err := s.book.Of(t.Context(), project, s.commits[project][n], "")
	require.NoError(t, err)
	return b.ID
}

// picture writes what the browser shows, in as few bytes as it takes.
func picture(t *testing.T, ctx context.Context, path string) { //nolint:revive // the test comes first
	t.Helper()
	data, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	full, err := png.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	var out bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, paletted(full)))
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o644))
}

// paletted keeps the most frequent colours; others become the nearest of them.
func paletted(full image.Image) *image.Paletted {
	count := map[color.RGBA]int{}
	bounds := full.Bounds()
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(full.At(x, y)).(color.RGBA) }
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(count[b]-count[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	var palette color.Palette
	for _, c := range colours[:min(len(colours), 128)] {
		palette = append(palette, c)
	}
	small, index := image.NewPaletted(bounds, palette), map[color.RGBA]uint8{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := at(x, y)
			i, ok := index[c]
			if !ok {
				i = uint8(palette.Index(c))
				index[c] = i
			}
			small.SetColorIndex(x, y, i)
		}
	}
	return small
}
