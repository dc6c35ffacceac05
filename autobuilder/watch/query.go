package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"autobuilder/build"
)

const (
	queryTime  = 10 * time.Second
	mostAnswer = 4 << 20
)

// query asks the monitor, and gives why the release is bad; empty: it is not. An
// error means that the monitor said nothing of use.
func query(ctx context.Context, w build.Watch) (bad string, err error) {
	if w.Prometheus != "" {
		return askPrometheus(ctx, w)
	}
	return askGraphite(ctx, w)
}

// get fetches JSON.
func get(ctx context.Context, base, path string, values url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(base, "/")+path+"?"+values.Encode(), http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, body[:min(len(body), 300)])
	}
	return json.Unmarshal(body, into)
}

// sample is one value of Prometheus: a time and a number as text.
type sample [2]any

func (s sample) value() string {
	text, _ := s[1].(string)
	return text
}

func askPrometheus(ctx context.Context, w build.Watch) (bad string, err error) {
	var answer struct {
		Data struct {
			Type   string          `json:"resultType"`
			Result json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if err := get(ctx, w.Prometheus, "/api/v1/query", url.Values{"query": {w.Query}}, &answer); err != nil {
		return "", fmt.Errorf("ask prometheus: %w", err)
	}
	switch answer.Data.Type {
	case "vector":
		var vector []struct {
			Metric map[string]string `json:"metric"`
			Value  sample            `json:"value"`
		}
		err := json.Unmarshal(answer.Data.Result, &vector)
		if err != nil || len(vector) == 0 {
			return "", err
		}
		return fmt.Sprintf("%s is %s", w.Query, vector[0].Value.value()), nil
	case "scalar":
		var value sample
		err := json.Unmarshal(answer.Data.Result, &value)
		if err != nil || value.value() == "0" {
			return "", err
		}
		return fmt.Sprintf("%s is %s", w.Query, value.value()), nil
	}
	return "", fmt.Errorf("ask prometheus: the query gives a %s, and not a vector or a scalar", answer.Data.Type)
}

// recent is how far back Graphite is asked for its newest value.
const recent = "-5min"

func askGraphite(ctx context.Context, w build.Watch) (bad string, err error) {
	var series []struct {
		Target string        `json:"target"`
		Points [][2]*float64 `json:"datapoints"`
	}
	values := url.Values{"target": {w.Query}, "from": {recent}, "format": {"json"}}
	if err := get(ctx, w.Graphite, "/render", values, &series); err != nil {
		return "", fmt.Errorf("ask graphite: %w", err)
	}
	known := false
	for _, s := range series {
		value := newest(s.Points)
		known = known || value != nil
		if value != nil && *value > *w.Above {
			return fmt.Sprintf("%s is %v, above %v", s.Target, *value, *w.Above), nil
		}
	}
	if !known {
		return "", errors.New("ask graphite: there is no value in the last five minutes")
	}
	return "", nil
}

func newest(points [][2]*float64) *float64 {
	for i := len(points) - 1; i >= 0; i-- {
		if points[i][0] != nil {
			return points[i][0]
		}
	}
	return nil
}
