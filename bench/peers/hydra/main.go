// Command hydra is Ory Hydra as its own main package builds it, at the version that go.mod pins.
package main

import (
	"github.com/ory/hydra/v2/cmd"
)

func main() {
	cmd.Execute()
}
