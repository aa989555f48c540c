// A small web server without dependencies.
const http = require('http');
const os = require('os');

const port = process.env.PORT || 8080;
http.createServer((request, response) => {
  response.end(`Hello from node ${process.version} on ${os.platform()}/${os.arch()}\n`);
}).listen(port, '127.0.0.1', () => console.log(`listening on port ${port}`));
