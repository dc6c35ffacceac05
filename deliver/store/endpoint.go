package store

import (
	"fmt"
	"net/url"
	"strings"
)

// awsEndpoint is where stores are when nobody says otherwise.
const awsEndpoint = "https://s3.amazonaws.com"

// findEndpoint takes the endpoint that is asked for, else the environment's,
// else that of ~/.s3cfg, else Amazon's.
func findEndpoint(asked string, env environ) (*url.URL, error) {
	for _, raw := range []string{asked, env("AWS_ENDPOINT_URL_S3"), env("AWS_ENDPOINT_URL")} {
		if raw != "" {
			return parseEndpoint(raw)
		}
	}
	file := env.s3cfg()
	keys, err := readINI(file, "default")
	if err != nil {
		return nil, &Error{Kind: KindInvalid, Message: "read " + file, Err: err}
	}
	if host := keys["host_base"]; host != "" {
		return parseEndpoint(s3cfgScheme(keys["use_https"]) + host)
	}
	return parseEndpoint(awsEndpoint)
}

// s3cfgScheme follows s3cmd, whose use_https is on unless it is said to be off.
func s3cfgScheme(useHTTPS string) string {
	switch strings.ToLower(useHTTPS) {
	case "false", "no", "off", "0":
		return "http://"
	}
	return "https://"
}

func parseEndpoint(raw string) (*url.URL, error) {
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	bad := err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != ""
	if bad {
		return nil, &Error{
			Kind: KindInvalid, Message: fmt.Sprintf("store endpoint %q is no address", raw),
			Hint: "write it as https://HOST[:PORT]", Err: err,
		}
	}
	u.Path = ""
	return u, nil
}

func isAWS(u *url.URL) bool {
	host := u.Hostname()
	return host == "amazonaws.com" || strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
}
