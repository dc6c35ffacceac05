package web_test

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"autobuilder/build"
	"autobuilder/labtest"
)

func TestAMajorIsDecidedInABrowser(t *testing.T) {
	s := newSeed(t)
	server := s.serve("grace")
	ctx := labtest.Browse(t)
	require.NoError(t, chromedp.Do(ctx,
		chromedp.Navigate(server.URL+"/holds"),
		chromedp.Click(chromedp.CSS("td.main a")), labtest.Until(`location.pathname.startsWith("/holds/")`),
		chromedp.SendKeys(chromedp.CSS("#note"), "read it"),
		chromedp.Click(chromedp.CSS("button.good")),
		labtest.Until(`document.querySelector("#state").textContent.includes("approved")`),
		chromedp.SendKeys(chromedp.CSS(".turn input[name=note]"), "told them"),
		chromedp.Click(chromedp.CSS(".turn button.good")),
		labtest.Until(`document.querySelectorAll(".checklist li.ok").length === 1`),
	))
	h, err := s.book.Hold(t.Context(), s.held())
	require.NoError(t, err)
	assert.Equal(t, build.Approved, h.State)
	assert.Equal(t, []string{"joan", "grace"}, h.Approvals())
	assert.Equal(t, "grace", h.Steps[0].By)
	assert.Equal(t, "told them", h.Steps[0].Why)
}

// What changes in the ledger and in the console changes in a page that is open.
func TestAPageThatIsOpenIsLive(t *testing.T) {
	s := newSeed(t)
	s.tape.more = true
	server := s.serve("")
	ctx := labtest.Browse(t)
	b, err := s.book.Build(t.Context(), s.find(t, "dashboard", 30))
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(ctx,
		chromedp.Navigate(server.URL+"/builds/"+b.ID),
		labtest.Until(`window.stays = document.querySelectorAll("#log i").length > 20`),
	))
	s.tape.write("\x1b[32mall three hosts are well\x1b[0m\n===== 11:59:50.000 6 git gc\n")
	require.NoError(t, chromedp.Do(ctx, labtest.Until(`[...document.querySelectorAll("#log b.c2")].some((e) => e.textContent === "all three hosts are well")`)))
	s.tape.write("the last line")
	s.tape.close()
	s.ends(b, build.Succeeded, time.Minute, "")
	require.NoError(t, chromedp.Do(ctx,
		labtest.Until(`document.querySelector("#state").textContent.includes("succeeded")`),
		labtest.Until(`document.querySelector("#say").textContent.includes("is succeeded")`),
		labtest.Until(`document.querySelector("#log").textContent.includes("the last line")`),
		labtest.Until(`document.querySelectorAll("#steps li").length === 7`),
		labtest.Until(`window.stays`), // it was not loaded again
	))
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(server.URL+"/"), labtest.Until(`window.stays = document.querySelectorAll(".board .row").length === 4`)))
	s.push("docs", 1, "v0.1.0", "ada", noon)
	require.NoError(t, chromedp.Do(ctx,
		labtest.Until(`document.querySelector("#board").textContent.includes("v0.1.0")`), labtest.Until(`document.querySelector("#say").textContent.includes("docs v0.1.0 is queued")`), labtest.Until(`window.stays`),
	))
}

func TestThePageByKeyboard(t *testing.T) {
	s := newSeed(t)
	server := s.serve("grace")
	ctx := labtest.Browse(t)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(server.URL+"/"), chromedp.KeyEvent("\t")))
	skip, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.activeElement.matches("a.skip") && getComputedStyle(document.activeElement).outlineStyle !== "none" && document.activeElement.getBoundingClientRect().left >= 0`))
	require.NoError(t, err)
	assert.True(t, skip, "the first stop is the way past the navigation, and it is seen")
	require.NoError(t, chromedp.Do(ctx, chromedp.KeyEvent("\r"), labtest.Until(`document.activeElement.id === "main"`), chromedp.KeyEvent("\t"),
		labtest.Until(`document.activeElement.getAttribute("href") === "/projects/dashboard"`), chromedp.KeyEvent("\r"), labtest.Until(`location.pathname === "/projects/dashboard"`)))
	stops, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.querySelectorAll("svg a:not([tabindex='-1'])").length`))
	require.NoError(t, err)
	assert.Zero(t, stops, "no stop at each bar")
}
