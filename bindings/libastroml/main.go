// Command libastroml is built with -buildmode=c-shared: the C library.
package main

import _ "github.com/goastroml/goastroml/bindings"

func main() {}
