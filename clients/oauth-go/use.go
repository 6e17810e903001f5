// A service that gets tokens with golang.org/x/oauth2/clientcredentials, as Go programs do,
// and apps by which a person signs in, with golang.org/x/oauth2 and go-oidc.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const orders = "https://orders.go.example.com"

var issuer, admin = os.Getenv("KEYFOB_URL"), ""

func main() {
	login := post("login", map[string]any{"email": "admin@example.com", "password": os.Getenv("KEYFOB_ADMIN_PASSWORD")})
	admin = "Bearer " + login["access_token"].(string)
	post("admin/resources", map[string]any{
		"identifier": orders, "name": "Orders", "scopes": map[string]any{"orders:read": map[string]any{}},
	})
	// Basic with the id and the secret percent-encoded, in the body, and as the library finds out.
	use("client_secret_basic", oauth2.AuthStyleInHeader)
	use("client_secret_post", oauth2.AuthStyleInParams)
	use("client_secret_basic", oauth2.AuthStyleAutoDetect)
	use("client_secret_post", oauth2.AuthStyleAutoDetect)
	signIn()
}

func use(method string, style oauth2.AuthStyle) {
	id := post("admin/clients", map[string]any{
		"name": "Reports", "resources": []string{orders}, "scope": []string{"orders:read"}, "auth_method": method,
	})["id"].(string)
	secret := post("admin/clients/"+id+"/secrets", map[string]any{})["client_secret"].(string)
	config := clientcredentials.Config{
		ClientID: id, ClientSecret: secret, AuthStyle: style, TokenURL: issuer + "/oauth2/token",
		Scopes: []string{"orders:read"}, EndpointParams: url.Values{"resource": {orders}},
	}
	token, err := config.Token(context.Background())
	check(err)
	must(token.Type() == "Bearer" && token.Extra("scope") == "orders:read" && !token.Expiry.IsZero(), "an odd token")

	// The client of the library sends the token: our API refuses it, since it is for orders.
	answer, err := config.Client(context.Background()).Get(issuer + "/me")
	check(err)
	must(answer.StatusCode == http.StatusUnauthorized, "a token for another audience was taken")

	told := form("introspect", id, secret, method, token.AccessToken)
	must(told["active"] == true && told["client_id"] == id, fmt.Sprint(told))
	form("revoke", id, secret, method, token.AccessToken)
	told = form("introspect", id, secret, method, token.AccessToken)
	must(told["active"] == false && len(told) == 1, fmt.Sprint(told))

	config.ClientSecret = "wrong%secret"
	_, err = config.Token(context.Background())
	var refused *oauth2.RetrieveError
	must(errors.As(err, &refused) && refused.ErrorCode == "invalid_client", fmt.Sprint(err))
}

// form calls introspection or revocation, for which the library has nothing.
func form(call, id, secret, method, token string) map[string]any {
	body := url.Values{"token": {token}}
	if method == "client_secret_post" {
		body.Set("client_id", id)
		body.Set("client_secret", secret)
	}
	request, err := http.NewRequest("POST", issuer+"/oauth2/"+call, bytes.NewBufferString(body.Encode()))
	check(err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if method == "client_secret_basic" {
		request.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
	return send(request)
}

func post(path string, body map[string]any) map[string]any {
	text, err := json.Marshal(body)
	check(err)
	request, err := http.NewRequest("POST", issuer+"/"+path, bytes.NewReader(text))
	check(err)
	request.Header.Set("Content-Type", "application/json")
	if admin != "" {
		request.Header.Set("Authorization", admin)
	}
	return send(request)
}

func send(request *http.Request) map[string]any {
	answer, err := http.DefaultClient.Do(request)
	check(err)
	defer answer.Body.Close()
	must(answer.StatusCode < 300, request.URL.Path+" answers "+answer.Status)
	told := map[string]any{}
	_ = json.NewDecoder(answer.Body).Decode(&told) // a revocation has no body
	return told
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func must(holds bool, otherwise string) {
	if !holds {
		log.Fatal(otherwise)
	}
}
