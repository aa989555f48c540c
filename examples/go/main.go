// A small web server: says where it runs, and proves that it can make TLS connections by counting the
// certificate authorities it finds.
package main

import (
	"encoding/pem"
	"fmt"
	"log"
	"net/http"
	"os"
	"runtime"
)

func authorities() int {
	for _, name := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"} {
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		n := 0
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			n++
		}
		return n
	}
	return 0
}

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello from %s on %s/%s, %d certificate authorities\n", runtime.Version(), runtime.GOOS,
			runtime.GOARCH, authorities())
	})
	log.Printf("listening on port %s", port)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}
