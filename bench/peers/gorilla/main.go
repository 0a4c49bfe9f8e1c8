// The minimal hub that gorilla/websocket's users write: a goroutine and a bounded channel of prepared messages per fan.
//
// It serves one room at /room and takes each line of a control connection as a message for it. A fan whose channel is full
// misses the message, so that a slow one neither stops the room nor costs more memory.
package main

import (
	"bufio"
	"flag"
	"log"
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// waitingMax is how many messages wait for one fan.
const waitingMax = 256

type hub struct {
	lock sync.Mutex
	fans map[chan *websocket.PreparedMessage]struct{}
}

func main() {
	listen := flag.String("listen", "", "address for the fans")
	control := flag.String("control", "", "address for the control connection")
	certificate := flag.String("certificate", "", "PEM file; with it the fans' port speaks TLS")
	key := flag.String("key", "", "PEM file of the certificate's key")
	flag.Parse()

	h := &hub{fans: make(map[chan *websocket.PreparedMessage]struct{})}
	commands, err := net.Listen("tcp", *control)
	if err != nil {
		log.Fatal(err)
	}
	go h.obey(commands)
	http.HandleFunc("/room", h.serve)
	if *certificate != "" {
		log.Fatal(http.ListenAndServeTLS(*listen, *certificate, *key, nil))
	}
	log.Fatal(http.ListenAndServe(*listen, nil))
}

// obey sends every line of a control connection into the room.
func (h *hub) obey(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		for lines := bufio.NewScanner(connection); lines.Scan(); {
			message, err := websocket.NewPreparedMessage(websocket.TextMessage, append([]byte(nil), lines.Bytes()...))
			if err != nil {
				log.Fatal(err)
			}
			h.broadcast(message)
		}
		connection.Close()
	}
}

func (h *hub) broadcast(message *websocket.PreparedMessage) {
	h.lock.Lock()
	defer h.lock.Unlock()
	for fan := range h.fans {
		select {
		case fan <- message:
		default:
		}
	}
}

func (h *hub) serve(response http.ResponseWriter, request *http.Request) {
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}
	connection, err := upgrader.Upgrade(response, request, nil)
	if err != nil {
		return
	}
	waiting := make(chan *websocket.PreparedMessage, waitingMax)
	h.lock.Lock()
	h.fans[waiting] = struct{}{}
	h.lock.Unlock()
	go func() {
		for message := range waiting {
			if connection.WritePreparedMessage(message) != nil {
				break
			}
		}
		connection.Close()
	}()
	for {
		if _, _, err := connection.NextReader(); err != nil {
			break
		}
	}
	h.lock.Lock()
	delete(h.fans, waiting)
	h.lock.Unlock()
	close(waiting)
}
