package main

import (
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

const (
	// window is how many of the newest messages are in memory: as many as Fanwave remembers of a lane.
	window = 500
	// groupMax is how many messages one transaction has at most.
	groupMax = 4096
	// readersMax is how many read the file at one time.
	readersMax = 4
)

type message struct {
	Offset int64  `json:"offset"`
	ID     string `json:"id"`
	User   string `json:"user"`
	Name   string `json:"name"`
	Role   string `json:"role"`
	Badge  string `json:"badge,omitempty"`
	Text   string `json:"text"`
	At     int64  `json:"at"`
}

type ack struct {
	offset    int64
	at        int64
	duplicate bool
	err       error
}

type waiting struct {
	message message
	done    chan ack
}

// lane is the messages of a room: in SQLite, flushed to the disk before they are acknowledged, and the newest in memory, too. What is
// asked for while others are written is written together, in one transaction.
type lane struct {
	epoch   string
	writes  chan waiting
	readers *sql.DB
	read    *sql.Stmt

	lock   sync.RWMutex
	head   int64
	recent []message
}

func open(file string) (*lane, error) {
	writer, err := sql.Open("sqlite3", "file:"+file+"?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000")
	if err != nil {
		return nil, err
	}
	writer.SetMaxOpenConns(1)
	if _, err := writer.Exec(`CREATE TABLE messages (
		message_offset INTEGER PRIMARY KEY, at INTEGER NOT NULL, user_id TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, badge TEXT,
		client_id TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (user_id, client_id)) STRICT`); err != nil {
		return nil, err
	}
	insert, err := writer.Prepare("INSERT INTO messages VALUES (?, ?, ?, ?, ?, nullif(?, ''), ?, ?) ON CONFLICT (user_id, client_id) DO NOTHING")
	if err != nil {
		return nil, err
	}
	find, err := writer.Prepare("SELECT message_offset, at FROM messages WHERE user_id = ? AND client_id = ?")
	if err != nil {
		return nil, err
	}
	readers, err := sql.Open("sqlite3", "file:"+file+"?mode=ro&_busy_timeout=5000")
	if err != nil {
		return nil, err
	}
	readers.SetMaxOpenConns(readersMax)
	readers.SetMaxIdleConns(readersMax)
	read, err := readers.Prepare(`SELECT message_offset, client_id, user_id, name, role, ifnull(badge, ''), text, at FROM messages
		WHERE message_offset < ? ORDER BY message_offset DESC LIMIT ?`)
	if err != nil {
		return nil, err
	}
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, err
	}
	l := &lane{epoch: hex.EncodeToString(random[:]), writes: make(chan waiting, groupMax), readers: readers, read: read}
	go l.write(writer, insert, find)
	return l, nil
}

// add returns when the message is on the disk.
func (l *lane) add(draft message) ack {
	done := make(chan ack, 1)
	l.writes <- waiting{draft, done}
	return <-done
}

// write is the one writer: it takes what has gathered, and commits it as a whole.
func (l *lane) write(writer *sql.DB, insert, find *sql.Stmt) {
	for first := range l.writes {
		group := []waiting{first}
		for len(group) < groupMax && len(l.writes) > 0 {
			group = append(group, <-l.writes)
		}
		acks, err := l.commit(writer, insert, find, group)
		for i, w := range group {
			if err != nil {
				w.done <- ack{err: err}
			} else {
				w.done <- acks[i]
			}
		}
	}
}

func (l *lane) commit(writer *sql.DB, insert, find *sql.Stmt, group []waiting) ([]ack, error) {
	at := time.Now().UnixMilli()
	transaction, err := writer.Begin()
	if err != nil {
		return nil, err
	}
	defer transaction.Rollback()
	insert, find = transaction.Stmt(insert), transaction.Stmt(find)
	acks := make([]ack, len(group))
	head := l.head
	for i, w := range group {
		m := w.message
		result, err := insert.Exec(head+1, at, m.User, m.Name, m.Role, m.Badge, m.ID, m.Text)
		if err != nil {
			return nil, err
		}
		if changed, err := result.RowsAffected(); err != nil {
			return nil, err
		} else if changed == 1 {
			head++
			acks[i] = ack{offset: head, at: at}
			continue
		}
		acks[i].duplicate = true
		if err := find.QueryRow(m.User, m.ID).Scan(&acks[i].offset, &acks[i].at); err != nil {
			return nil, err
		}
	}
	if err := transaction.Commit(); err != nil {
		return nil, err
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	l.head = head
	for i, w := range group {
		if !acks[i].duplicate {
			w.message.Offset, w.message.At = acks[i].offset, acks[i].at
			l.recent = append(l.recent, w.message)
		}
	}
	if len(l.recent) > 2*window {
		l.recent = append(make([]message, 0, 2*window+groupMax), l.recent[len(l.recent)-window:]...)
	}
	return acks, nil
}

// page is newest first: from memory what is there, the rest from the file. Before 0 is the end.
func (l *lane) page(before int64, limit int) (int64, []message, error) {
	l.lock.RLock()
	head, recent := l.head, l.recent
	l.lock.RUnlock()
	if before == 0 {
		before = head + 1
	}
	if end := len(recent) - int(head-before+1); end >= limit && end <= len(recent) {
		found := make([]message, 0, limit)
		for i := end - 1; i >= end-limit; i-- {
			found = append(found, recent[i])
		}
		return head, found, nil
	}
	rows, err := l.read.Query(before, limit)
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	found := make([]message, 0, limit)
	for rows.Next() {
		var m message
		if err := rows.Scan(&m.Offset, &m.ID, &m.User, &m.Name, &m.Role, &m.Badge, &m.Text, &m.At); err != nil {
			return 0, nil, err
		}
		found = append(found, m)
	}
	return head, found, errors.Join(rows.Err())
}
