typedef int v_routes;
