import { render } from "preact";

render(<h1>Sherwood</h1>, document.getElementById("app")!);
