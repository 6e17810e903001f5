package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	callback = "https://app.example.com/callback"
	native   = "http://127.0.0.1:51004/callback"
)

var scopes = []string{oidc.ScopeOpenID, "profile", "email", "groups", oidc.ScopeOfflineAccess}

// An app by which a person signs in, with golang.org/x/oauth2 and go-oidc.
type app struct {
	config   oauth2.Config
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
}

func signIn() {
	ctx := context.Background()
	provider, err := oidc.NewProvider(ctx, issuer)
	check(err)
	for _, algorithm := range []string{oidc.RS256, oidc.ES256, oidc.EdDSA} {
		for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
			method := "client_secret_basic"
			if style == oauth2.AuthStyleInParams {
				method = "client_secret_post"
			}
			use := newApp(provider, algorithm, style, map[string]any{
				"kind": "web", "redirect_uris": []string{callback}, "auth_method": method, "id_token_alg": algorithm,
			})
			use.signsIn(ctx, callback)
		}
	}
	newApp(provider, oidc.RS256, oauth2.AuthStyleInParams, map[string]any{
		"kind": "native", "redirect_uris": []string{"http://127.0.0.1/callback"},
	}).signsIn(ctx, native)
	hearsOfSignOut(ctx, provider)
	onDevice(ctx, provider)
}

func newApp(provider *oidc.Provider, algorithm string, style oauth2.AuthStyle, fields map[string]any) *app {
	fields["name"] = "Ledger"
	id := post("admin/clients", fields)["id"].(string)
	config := oauth2.Config{ClientID: id, Endpoint: provider.Endpoint(), Scopes: scopes}
	config.Endpoint.AuthStyle = style
	if fields["kind"] == "web" {
		config.ClientSecret = post("admin/clients/"+id+"/secrets", map[string]any{})["client_secret"].(string)
	}
	checks := &oidc.Config{ClientID: id, SupportedSigningAlgs: []string{algorithm}}
	return &app{config, provider, provider.Verifier(checks)}
}

// signsIn asks with PKCE and a nonce, reads who came, refreshes, and uses up the code.
func (a *app) signsIn(ctx context.Context, callback string) {
	a.config.RedirectURL = callback
	verifier, state, nonce := oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	asked := a.config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	came := newPerson("admin@example.com", os.Getenv("KEYFOB_ADMIN_PASSWORD")).visit(asked, callback)
	must(came.Get("state") == state && came.Get("iss") == issuer, came.Encode())
	code := came.Get("code")

	given, err := a.config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	check(err)
	who := a.read(ctx, given)
	must(who.Nonce == nonce, "another nonce")
	check(who.VerifyAccessToken(given.AccessToken)) // at_hash
	about, err := a.provider.UserInfo(ctx, oauth2.StaticTokenSource(given))
	check(err)
	var told struct{ Groups []string }
	check(about.Claims(&told))
	must(about.Subject == who.Subject && slices.Contains(told.Groups, "admin"), fmt.Sprint(about))

	given.Expiry = time.Unix(1, 0) // so that the library refreshes
	next, err := a.config.TokenSource(ctx, given).Token()
	check(err)
	must(next.AccessToken != given.AccessToken && next.RefreshToken != given.RefreshToken, "nothing is new")
	must(a.read(ctx, next).Subject == who.Subject, "somebody else")

	_, err = a.config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	var refused *oauth2.RetrieveError
	must(errors.As(err, &refused) && refused.ErrorCode == "invalid_grant", fmt.Sprint(err))
	_, err = a.config.TokenSource(ctx, &oauth2.Token{RefreshToken: next.RefreshToken}).Token()
	must(errors.As(err, &refused) && refused.ErrorCode == "invalid_grant", fmt.Sprint(err))
}

func (a *app) read(ctx context.Context, given *oauth2.Token) *oidc.IDToken {
	text, ok := given.Extra("id_token").(string)
	must(ok, "no ID token")
	token, err := a.verifier.Verify(ctx, text)
	check(err)
	return token
}

// hearsOfSignOut gets the logout token that Keyfob sends, and checks it as the library does.
func hearsOfSignOut(ctx context.Context, provider *oidc.Provider) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	heard := make(chan string, 8)
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		heard <- request.PostFormValue("logout_token")
	})}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	use := newApp(provider, oidc.RS256, oauth2.AuthStyleInHeader, map[string]any{
		"kind": "web", "redirect_uris": []string{callback},
		"post_logout_redirect_uris": []string{"https://app.example.com/bye"},
		"backchannel_logout_uri":    "http://" + listener.Addr().String() + "/logout",
	})
	use.config.RedirectURL = callback
	verifier, someone := oauth2.GenerateVerifier(), newPerson("admin@example.com", os.Getenv("KEYFOB_ADMIN_PASSWORD"))
	came := someone.visit(use.config.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), callback)
	given, err := use.config.Exchange(ctx, came.Get("code"), oauth2.VerifierOption(verifier))
	check(err)
	var session struct{ SID string }
	check(use.read(ctx, given).Claims(&session))

	var endpoints struct {
		EndSession string `json:"end_session_endpoint"`
	}
	check(provider.Claims(&endpoints))
	leave := url.Values{
		"id_token_hint":            {given.Extra("id_token").(string)},
		"post_logout_redirect_uri": {"https://app.example.com/bye"}, "state": {"left"},
	}
	back := someone.visit(endpoints.EndSession+"?"+leave.Encode(), "https://app.example.com/bye")
	must(back.Get("state") == "left", back.Encode())
	select {
	case text := <-heard:
		told, err := use.verifier.VerifyLogout(ctx, text)
		check(err)
		must(told.SessionID == session.SID && told.TokenID != "", fmt.Sprint(told))
	case <-time.After(20 * time.Second):
		must(false, "no logout token came")
	}
}

// onDevice shows a code, which a person types at a page; the library waits meanwhile.
func onDevice(ctx context.Context, provider *oidc.Provider) {
	use := newApp(provider, oidc.RS256, oauth2.AuthStyleInParams, map[string]any{
		"kind": "native", "grants": []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"},
	})
	shown, err := use.config.DeviceAuth(ctx)
	check(err)
	someone := newPerson("admin@example.com", os.Getenv("KEYFOB_ADMIN_PASSWORD"))
	someone.code = shown.UserCode
	someone.visit(shown.VerificationURI, done)
	given, err := use.config.DeviceAccessToken(ctx, shown)
	check(err)
	use.read(ctx, given)
}
