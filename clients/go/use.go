// What a Go service does with the generated client.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"keyfob.example/use/keyfob"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func expect(what string, got, wanted any) {
	if got != wanted {
		panic(fmt.Sprintf("%s: got %v, not %v", what, got, wanted))
	}
}

func main() {
	ctx := context.Background()
	email := keyfob.RegisterIn{}.Email
	must(email.UnmarshalJSON([]byte(`"` + os.Getenv("KEYFOB_EMAIL") + `"`)))
	name, password := "Zoë Żółć", os.Getenv("KEYFOB_SECRET")
	client, err := keyfob.NewClientWithResponses(os.Getenv("KEYFOB_URL"))
	must(err)

	registered, err := client.RegisterWithResponse(ctx, keyfob.RegisterIn{Email: email, Password: &password, Name: &name})
	must(err)
	expect("register", registered.StatusCode(), 201)
	bearer := func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+registered.JSON201.AccessToken)
		return nil
	}

	me, err := client.MeWithResponse(ctx, bearer)
	must(err)
	expect("name", *me.JSON200.Name, name)
	expect("role", me.JSON200.Role, "user")

	sessions, err := client.ListOwnSessionsWithResponse(ctx, bearer)
	must(err)
	expect("sessions", len(*sessions.JSON200), 1)

	logins, err := client.ListOwnLoginsWithResponse(ctx, nil, bearer)
	must(err)
	expect("reason", (*logins.JSON200)[0].Reason, "registered")

	left, err := client.LogOutWithResponse(ctx, keyfob.LogOutIn{}, bearer)
	must(err)
	expect("log out", left.StatusCode(), 204)

	refused, err := client.MeWithResponse(ctx, bearer)
	must(err)
	expect("code", refused.ApplicationproblemJSON401.Code, "invalid_token")
}
