// A small media server on pion, for tests: it takes a stream at /NAME/whip (RFC 9725) and hands it on at /NAME/whep
// (draft-ietf-wish-whep), and at /NAME/counter with an offer of its own in a 406. It listens on the loopback and prints
// its address. Nothing is decoded or changed on the way.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

const (
	sdpType      = "application/sdp"
	fragmentType = "application/trickle-ice-sdpfrag"
)

// stream is what one publisher sends.
type stream struct {
	publisher *webrtc.PeerConnection
	tracks    []*webrtc.TrackLocalStaticRTP
	// sources are the publisher's, by kind: for requests of keyframes.
	sources map[webrtc.RTPCodecType]webrtc.SSRC
}

type server struct {
	api      *webrtc.API
	token    string
	mu       sync.Mutex
	streams  map[string]*stream
	sessions map[string]*webrtc.PeerConnection
}

func main() {
	s, err := newServer(os.Getenv("MEDIA_TOKEN"))
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, s))
}

func port() string {
	if p := os.Getenv("PORT"); p != "" {
		return p
	}
	return "0"
}

func newServer(token string) (*server, error) {
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	return &server{
		api:      webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(settings)),
		token:    token,
		streams:  map[string]*stream{},
		sessions: map[string]*webrtc.PeerConnection{},
	}, nil
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.token != "" && r.Header.Get("Authorization") != "Bearer "+s.token {
		http.Error(w, "a token is wanted", http.StatusUnauthorized)
		return
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) != 2 {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<18))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	name, what := parts[0], parts[1]
	switch {
	case what != "whip" && what != "whep" && what != "counter":
		s.change(w, r, what, string(body))
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.Header.Get("Content-Type") != sdpType:
		w.WriteHeader(http.StatusUnsupportedMediaType)
	case what == "whip":
		s.describe(w, name, func(pc *webrtc.PeerConnection) error { return s.ingest(name, pc, string(body)) }, 201)
	case what == "whep":
		s.describe(w, name, func(pc *webrtc.PeerConnection) error { return s.play(name, pc, string(body)) }, 201)
	default:
		s.describe(w, name, func(pc *webrtc.PeerConnection) error { return s.play(name, pc, "") }, 406)
	}
}

var errNothing = errors.New("nothing is published there")

// describe makes a connection and answers with its description, once it has all its candidates.
func (s *server) describe(w http.ResponseWriter, name string, prepare func(*webrtc.PeerConnection) error, status int) {
	pc, err := s.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := prepare(pc); err != nil {
		_ = pc.Close()
		code := http.StatusBadRequest
		if errors.Is(err, errNothing) {
			code = http.StatusNotFound
		}
		http.Error(w, err.Error(), code)
		return
	}
	<-gathered
	id := newID()
	s.mu.Lock()
	s.sessions[id] = pc
	s.mu.Unlock()
	w.Header().Set("Content-Type", sdpType)
	w.Header().Set("Location", "/"+name+"/"+id)
	w.Header().Set("ETag", `"`+id+`"`)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, pc.LocalDescription().SDP)
}

// ingest answers a publisher, and takes what it sends.
func (s *server) ingest(name string, pc *webrtc.PeerConnection, offer string) error {
	st := &stream{publisher: pc, sources: map[webrtc.RTPCodecType]webrtc.SSRC{}}
	pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		local, err := webrtc.NewTrackLocalStaticRTP(remote.Codec().RTPCodecCapability, remote.Kind().String(), name)
		if err != nil {
			return
		}
		s.mu.Lock()
		st.tracks = append(st.tracks, local)
		st.sources[remote.Kind()] = remote.SSRC()
		s.mu.Unlock()
		for {
			packet, _, err := remote.ReadRTP()
			if err != nil {
				return
			}
			_ = local.WriteRTP(packet)
		}
	})
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state != webrtc.PeerConnectionStateFailed && state != webrtc.PeerConnectionStateClosed {
			return
		}
		s.mu.Lock()
		if s.streams[name] == st {
			delete(s.streams, name)
		}
		s.mu.Unlock()
	})
	if err := s.answer(pc, offer); err != nil {
		return err
	}
	s.mu.Lock()
	s.streams[name] = st
	s.mu.Unlock()
	return nil
}

// play sends a stream; without an offer it makes one.
func (s *server) play(name string, pc *webrtc.PeerConnection, offer string) error {
	s.mu.Lock()
	st := s.streams[name]
	var tracks []*webrtc.TrackLocalStaticRTP
	if st != nil {
		tracks = append(tracks, st.tracks...)
	}
	s.mu.Unlock()
	if len(tracks) == 0 {
		return errNothing
	}
	for _, track := range tracks {
		sender, err := pc.AddTrack(track)
		if err != nil {
			return err
		}
		go s.relayRequests(st, sender, track.Kind())
	}
	if offer != "" {
		return s.answer(pc, offer)
	}
	description, err := pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	return pc.SetLocalDescription(description)
}

func (s *server) answer(pc *webrtc.PeerConnection, offer string) error {
	remote := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}
	if err := pc.SetRemoteDescription(remote); err != nil {
		return err
	}
	description, err := pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	return pc.SetLocalDescription(description)
}

// relayRequests tells the publisher which keyframes players ask for.
func (s *server) relayRequests(st *stream, sender *webrtc.RTPSender, kind webrtc.RTPCodecType) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			if _, is := p.(*rtcp.PictureLossIndication); is {
				s.mu.Lock()
				source := st.sources[kind]
				s.mu.Unlock()
				_ = st.publisher.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(source)}})
			}
		}
	}
}

// change takes what a client says of its session.
func (s *server) change(w http.ResponseWriter, r *http.Request, id, body string) {
	s.mu.Lock()
	pc := s.sessions[id]
	if r.Method == http.MethodDelete {
		delete(s.sessions, id)
	}
	s.mu.Unlock()
	switch {
	case pc == nil:
		http.NotFound(w, r)
	case r.Method == http.MethodDelete:
		_ = pc.Close()
	case r.Method != http.MethodPatch:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.Header.Get("If-Match") != `"`+id+`"`:
		w.WriteHeader(http.StatusPreconditionFailed)
	case r.Header.Get("Content-Type") == sdpType:
		answer := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: body}
		if err := pc.SetRemoteDescription(answer); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case r.Header.Get("Content-Type") == fragmentType:
		for _, line := range strings.Split(body, "\n") {
			if c, is := strings.CutPrefix(strings.TrimSpace(line), "a=candidate:"); is {
				_ = pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: "candidate:" + c})
			}
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusUnsupportedMediaType)
	}
}

func newID() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}
