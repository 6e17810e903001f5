package main

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

var (
	field  = regexp.MustCompile(`<input type="hidden" name="([\w-]+)" value="([^"]*)"`)
	onward = regexp.MustCompile(`http-equiv="refresh" content="0;url=([^"]*)"`)
)

// A person with a browser, as far as forms go: signs in, and allows an app what it asks for.
type person struct {
	browser         *http.Client
	email, password string
	code            string // that a device shows
}

const done = "about:blank" // a device has no page to which anybody returns

func newPerson(email, password string) *person {
	jar, err := cookiejar.New(nil)
	check(err)
	stays := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &person{browser: &http.Client{Jar: jar, CheckRedirect: stays}, email: email, password: password}
}

// visit goes where an app sends one, and returns with what one comes back to it.
func (p *person) visit(address, callback string) url.Values {
	var form url.Values
	for !strings.HasPrefix(address, callback) {
		address, form = p.open(address, form)
	}
	came, err := url.Parse(address)
	check(err)
	return came.Query()
}

// open returns what a page leads to: an address, and the form to send there, if any.
func (p *person) open(address string, form url.Values) (string, url.Values) {
	method, body := "GET", ""
	if form != nil {
		method, body = "POST", form.Encode()
	}
	request, err := http.NewRequest(method, address, strings.NewReader(body))
	check(err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := p.browser.Do(request)
	check(err)
	defer answer.Body.Close()
	if to, err := answer.Location(); err == nil {
		return to.String(), nil
	}
	text, err := io.ReadAll(answer.Body)
	check(err)
	page := string(text)
	must(answer.StatusCode == http.StatusOK, fmt.Sprint(address, ": ", answer.Status, " ", page))
	if found := onward.FindStringSubmatch(page); found != nil {
		return html.UnescapeString(found[1]), nil
	}
	next := url.Values{}
	for _, found := range field.FindAllStringSubmatch(page, -1) {
		next.Set(found[1], html.UnescapeString(found[2]))
	}
	here, _, _ := strings.Cut(address, "?")
	if strings.HasSuffix(here, "/ui/sign-in") {
		next.Set("email", p.email)
		next.Set("password", p.password)
		return here, next
	}
	if strings.Contains(page, "Go back to the device") {
		return done, nil
	}
	if strings.Contains(page, `name="user_code" type="text"`) {
		return here, url.Values{"user_code": {p.code}}
	}
	must(strings.HasSuffix(here, "/ui/authorize") || next.Has("user_code"), here)
	next.Set("decision", "allow")
	return here, next
}
