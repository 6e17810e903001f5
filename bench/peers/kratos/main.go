// Command kratos is Ory Kratos as its own main package builds it, at the version that go.mod pins.
package main

import (
	"os"

	"github.com/ory/kratos/cmd"
)

func main() {
	os.Exit(cmd.Execute())
}
